import { useEffect, useState } from "react";
import { isAbort } from "../api/client";
import { getUsers } from "../api/routes";

interface Props {
  chosen: string | null;
  onChoose: (userId: string | null) => void;
}

/** The users whose history is stored; a field takes any id, listed or not. */
export function UserList({ chosen, onChoose }: Props) {
  const [users, setUsers] = useState<string[]>([]);
  const [next, setNext] = useState<string | null>("");
  const [query, setQuery] = useState("");
  const [problem, setProblem] = useState("");

  const load = async (after: string, signal?: AbortSignal) => {
    try {
      const page = await getUsers(after, signal);
      setUsers((before) => (after === "" ? page.users : [...before, ...page.users]));
      setNext(page.next);
    } catch (error) {
      if (!isAbort(error)) setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  useEffect(() => {
    const controller = new AbortController();
    void load("", controller.signal);
    return () => controller.abort();
  }, []);

  const wanted = query.trim();
  const found = users.filter((user) => user.includes(wanted));
  return (
    <div className="users">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (wanted !== "") onChoose(wanted);
        }}
      >
        <input
          className="input"
          type="search"
          placeholder="User id"
          aria-label="User id"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
      </form>
      {problem !== "" && <p className="field-error">{problem}</p>}
      <ul className="user-list" aria-label="Users">
        <li>
          <button type="button" className="user" aria-pressed={chosen === null} onClick={() => onChoose(null)}>
            Nobody yet <span className="hint">cold start</span>
          </button>
        </li>
        {found.map((user) => (
          <li key={user}>
            <button type="button" className="user" aria-pressed={chosen === user} onClick={() => onChoose(user)}>
              {user}
            </button>
          </li>
        ))}
        {next !== null && next !== "" && (
          <li>
            <button type="button" className="user is-more" onClick={() => void load(next)}>
              More users
            </button>
          </li>
        )}
      </ul>
    </div>
  );
}
