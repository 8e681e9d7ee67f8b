import { useState, type FormEvent } from "react";
import { storeKey } from "../api/key";

/** Asks for the key of the service; it is kept until the tab is closed. */
export function KeyForm({ refused, onKey }: { refused: boolean; onKey: () => void }) {
  const [key, setKey] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (key.trim() === "") return;
    storeKey(key.trim());
    onKey();
  };
  return (
    <main className="gate">
      <form className="card gate-card" onSubmit={submit}>
        <h1>This service needs a key</h1>
        <p className="muted">It is kept in this tab only and forgotten when you close it.</p>
        <label className="field">
          <span className="label">API key</span>
          <input
            className="input"
            type="password"
            autoComplete="off"
            autoFocus
            value={key}
            onChange={(event) => setKey(event.target.value)}
            aria-invalid={refused}
            aria-describedby={refused ? "key-refused" : undefined}
          />
        </label>
        {refused && (
          <p className="field-error" id="key-refused" role="alert">
            This key is not valid. Check it and try again.
          </p>
        )}
        <button type="submit" className="button primary" disabled={key.trim() === ""}>
          Continue
        </button>
      </form>
    </main>
  );
}
