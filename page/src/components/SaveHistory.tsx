import { useState, type FormEvent } from "react";
import type { Person } from "../state/person";
import { Icon } from "./Icon";

/** An edited history is stored under its user, or under a new one. */
export function SaveHistory({ person }: { person: Person }) {
  const [name, setName] = useState(person.userId ?? "");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() !== "") void person.save(name.trim());
  };
  return (
    <form className="save-history" onSubmit={submit}>
      <span className="save-state">Edited, not stored</span>
      <input
        className="input small"
        aria-label="Store under this user id"
        placeholder="User id"
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <button type="submit" className="button primary small" disabled={name.trim() === ""}>
        Store
      </button>
      <button type="button" className="button small" onClick={person.revert}>
        <Icon name="undo" />
        Revert
      </button>
    </form>
  );
}
