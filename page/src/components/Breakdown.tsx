import { useState } from "react";
import type { ReportRow } from "../api/types";
import { byKind, percent } from "../request/results";

/** Obedience of one row by kind of control. */
export function Breakdown({ rows }: { rows: ReportRow[] }) {
  const able = rows.filter((row) => byKind(row).length > 0);
  const [name, setName] = useState((able.find((row) => row.name === "lm-free") ?? able[able.length - 1])?.name ?? "");
  const row = able.find((one) => one.name === name);
  if (row === undefined) return null;
  return (
    <section className="card" aria-label="Obedience by kind of control">
      <div className="card-head">
        <h2>By kind of control</h2>
        <select className="input small" aria-label="Row" value={name} onChange={(event) => setName(event.target.value)}>
          {able.map((one) => (
            <option key={one.name}>{one.name}</option>
          ))}
        </select>
      </div>
      <ul className="bars">
        {byKind(row).map(([kind, metric]) => (
          <li key={kind} className="bar">
            <span className="bar-name">{kind}</span>
            <span className="bar-track" aria-hidden="true">
              <span className="bar-fill" style={{ width: `${100 * metric.mean}%` }} />
            </span>
            <span className="number-cell">{percent(metric.mean)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
