import { useState } from "react";
import { getFailures } from "../api/routes";
import type { ReportRow, Request } from "../api/types";
import { metricOf, OBEDIENCE, percent } from "../request/results";
import { useFetched } from "../state/fetched";

interface Props {
  rows: ReportRow[];
  onTry: (userId: string, request: Request) => void;
}

/** Requests of the evaluation that a row did not obey; each can be tried out on the served model. */
export function Failures({ rows, onTry }: Props) {
  const able = rows.filter((row) => (metricOf(row, OBEDIENCE)?.mean ?? 1) < 1);
  const [name, setName] = useState((able.find((row) => row.name === "lm-free") ?? able[able.length - 1])?.name ?? "");
  const [kind, setKind] = useState("");
  const { value, problem } = useFetched(name === "" ? null : name, (signal) => getFailures(name, signal));
  if (able.length === 0) return null;
  const requests = (value?.requests ?? []).filter((one) => kind === "" || one.kind === kind);
  const asked = value?.kinds.reduce((sum, one) => sum + one.asked, 0) ?? 0;
  const failed = value?.kinds.reduce((sum, one) => sum + one.failed, 0) ?? 0;
  return (
    <section className="card" aria-label="Failures">
      <div className="card-head failures-head">
        <h2>Failures</h2>
        <div className="card-tools">
          <select className="input small" aria-label="Kind of control" value={kind} onChange={(event) => setKind(event.target.value)}>
            <option value="">every kind</option>
            {(value?.kinds ?? [])
              .filter((one) => one.failed > 0)
              .map((one) => (
                <option key={one.kind} value={one.kind}>
                  {one.kind.replaceAll("_", " ")} ({one.failed} of {one.asked})
                </option>
              ))}
          </select>
          <select
            className="input small"
            aria-label="Row whose failures are shown"
            value={name}
            onChange={(event) => {
              setName(event.target.value);
              setKind("");
            }}
          >
            {able.map((row) => (
              <option key={row.name}>{row.name}</option>
            ))}
          </select>
        </div>
      </div>
      {problem !== null && <p className="field-error failures-note">{problem.message}</p>}
      {asked > 0 && (
        <p className="hint failures-note">
          {failed} of {asked} requests not obeyed ({percent(failed / asked)}).
        </p>
      )}
      <ul className="failures" tabIndex={0} aria-label="Requests not obeyed">
        {requests.map((one) => (
          <li key={one.request_id} className="failure">
            <p>{one.sentence}</p>
            <div className="failure-foot">
              <span className="badge">{one.kind.replaceAll("_", " ")}</span>
              <span className="hint">user {one.user_id}</span>
              <button
                type="button"
                className="button small"
                aria-label={`Try it: ${one.sentence}`}
                onClick={() => onTry(one.user_id, one.request)}
              >
                Try it
              </button>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
