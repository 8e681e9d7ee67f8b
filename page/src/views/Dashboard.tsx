import { useState } from "react";
import { getRun } from "../api/routes";
import type { Facts, Request } from "../api/types";
import { Breakdown } from "../components/Breakdown";
import { Comparisons } from "../components/Comparisons";
import { Failures } from "../components/Failures";
import { Frontier } from "../components/Frontier";
import { Results } from "../components/Results";
import { Training } from "../components/Training";
import { useFetched } from "../state/fetched";

/** What the run says of itself: results, the price of obedience, training, failures. */
export function Dashboard({ onTry }: { onTry: (userId: string, request: Request) => void }) {
  const { value: run, problem } = useFetched("run", getRun);
  const [marked, setMarked] = useState<string | null>(null);
  if (problem !== null) {
    return (
      <main id="main" tabIndex={-1} className="view">
        <h1 className="sr-only">Dashboard</h1>
        <p className="field-error" role="alert">
          {problem.message}
        </p>
      </main>
    );
  }
  if (run === null) {
    return (
      <main id="main" tabIndex={-1} className="view" aria-busy="true">
        <h1 className="sr-only">Dashboard</h1>
        <p className="muted">Reading the run</p>
      </main>
    );
  }
  const comparisons = run.comparisons.filter((one) => Number.isFinite(one.difference.mean));
  return (
    <main id="main" tabIndex={-1} className="view dashboard">
      <div className="dashboard-head">
        <h1>{run.name}</h1>
        {run.facts !== null && <p className="muted">{saidFacts(run.facts)}</p>}
      </div>
      {run.rows.length === 0 && (
        <p className="card dashboard-empty">
          This run was not evaluated yet. <code>steerec eval</code> writes its report.
        </p>
      )}
      {run.rows.length > 0 && (
        <div className="pair">
          <Results rows={run.rows} marked={marked} onMark={setMarked} />
          <Frontier rows={run.rows} marked={marked} onMark={setMarked} />
        </div>
      )}
      {run.curves.length > 0 && <Training curves={run.curves} />}
      {run.rows.length > 0 && (
        <div className="pair">
          <Breakdown rows={run.rows} />
          <Failures rows={run.rows} onTry={onTry} />
        </div>
      )}
      {comparisons.length > 0 && <Comparisons comparisons={comparisons} />}
    </main>
  );
}

function saidFacts(facts: Facts): string {
  const parts = [
    facts.dataset,
    `${facts.num_users.toLocaleString("en")} users`,
    `${facts.num_items.toLocaleString("en")} items`,
    facts.split.replaceAll("_", " "),
    facts.date,
    facts.hardware,
    facts.commit === null ? "" : `commit ${facts.commit}`,
    facts.looks > 0 ? `test looked at ${facts.looks === 1 ? "once" : `${facts.looks} times`}` : "",
  ];
  return parts.filter((part) => part !== "").join(" · ");
}
