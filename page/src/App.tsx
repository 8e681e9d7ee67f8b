import { useCallback, useEffect, useState } from "react";
import { asServiceError, isAbort, whenRefused, type ServiceError } from "./api/client";
import { forgetKey, storedKey } from "./api/key";
import { getSchema } from "./api/routes";
import type { Schema } from "./api/types";
import { KeyForm } from "./components/KeyForm";
import { Workplace } from "./Workplace";

type Door = { state: "opening" } | { state: "open"; schema: Schema } | { state: "key"; refused: boolean } | { state: "failed"; error: ServiceError };

/** Opens the door: what the catalogue is like, or the key that is needed to ask. */
export function App() {
  const [door, setDoor] = useState<Door>({ state: "opening" });
  const open = useCallback((signal?: AbortSignal) => {
    getSchema(signal).then(
      (schema) => setDoor({ state: "open", schema }),
      (thrown: unknown) => {
        if (isAbort(thrown)) return;
        const error = asServiceError(thrown);
        if (error.status !== 401) setDoor({ state: "failed", error });
      },
    );
  }, []);
  useEffect(() => {
    whenRefused(() => {
      const refused = storedKey() !== null;
      forgetKey();
      setDoor({ state: "key", refused });
    });
    return () => whenRefused(null);
  }, []);
  useEffect(() => {
    const controller = new AbortController();
    open(controller.signal);
    return () => controller.abort();
  }, [open]);

  if (door.state === "open") return <Workplace schema={door.schema} onNewCatalogue={() => open()} />;
  if (door.state === "key") return <KeyForm refused={door.refused} onKey={() => open()} />;
  if (door.state === "failed") {
    return (
      <main className="gate">
        <div className="card gate-card" role="alert">
          <h1>{door.error.message}</h1>
          <p className="muted">{door.error.failure.advice}</p>
          <button type="button" className="button primary" onClick={() => open()}>
            Try again
          </button>
        </div>
      </main>
    );
  }
  return (
    <main className="gate" aria-busy="true">
      <p className="muted" role="status">
        Opening
      </p>
    </main>
  );
}
