import type { Metric, ReportRow } from "../api/types";
import { ACCURACY, halfWidth, metricOf, OBEDIENCE, percent } from "../request/results";

interface Props {
  rows: ReportRow[];
  marked: string | null;
  onMark: (name: string | null) => void;
}

function Cell({ metric, said }: { metric: Metric | undefined; said: (value: number) => string }) {
  if (metric === undefined) return <td className="number-cell">–</td>;
  const half = halfWidth(metric);
  return (
    <td className="number-cell" title={`95 %: ${said(metric.low)} to ${said(metric.high)}, ${metric.n} users`}>
      {said(metric.mean)} <span className="hint interval">{half > 0 && `±${said(half).replace(/^0\./, ".")}`}</span>
    </td>
  );
}

const decimals = (value: number) => value.toFixed(3);

/** The rows of the report, with intervals. */
export function Results({ rows, marked, onMark }: Props) {
  return (
    <section className="card" aria-label="Results">
      <div className="card-head">
        <h2>Results</h2>
        <span className="hint">{rows[0]?.split === "test" ? "test split" : "validation"}, 95 % over users</span>
      </div>
      <div className="scrolls" tabIndex={0} role="group" aria-label="Table of results">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Row</th>
              <th scope="col" className="number-cell">NDCG@10</th>
              <th scope="col" className="number-cell">HR@10</th>
              <th scope="col" className="number-cell">Obeys</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row, place) => (
              <tr
                key={row.name}
                className={marked === row.name ? "is-marked" : undefined}
                onMouseEnter={() => onMark(row.name)}
                onMouseLeave={() => onMark(null)}
              >
                <th scope="row">
                  <span className="row-number">{place + 1}</span>{" "}
                  {row.name}
                </th>
                <Cell metric={metricOf(row, ACCURACY)} said={decimals} />
                <Cell metric={metricOf(row, "hr@10")} said={decimals} />
                <Cell metric={metricOf(row, OBEDIENCE)} said={percent} />
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
