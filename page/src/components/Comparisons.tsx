import type { Comparison } from "../api/types";

function verdict({ difference }: Comparison): string {
  if (difference.low > 0) return "higher";
  return difference.high < 0 ? "lower" : "no difference shown";
}

function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;
}

/** Paired differences between rows, with what their intervals allow to say. */
export function Comparisons({ comparisons }: { comparisons: Comparison[] }) {
  return (
    <section className="card" aria-label="Comparisons">
      <div className="card-head">
        <h2>Paired differences</h2>
        <span className="hint">95 % over users</span>
      </div>
      <div className="scrolls" tabIndex={0} role="group" aria-label="Table of differences">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Row</th>
              <th scope="col">Against</th>
              <th scope="col">Metric</th>
              <th scope="col" className="number-cell">Difference</th>
              <th scope="col" className="number-cell">95 %</th>
              <th scope="col">So it is</th>
            </tr>
          </thead>
          <tbody>
            {comparisons.map((one) => (
              <tr key={one.row + one.reference + one.metric}>
                <th scope="row">{one.row}</th>
                <td>{one.reference}</td>
                <td>{one.metric}</td>
                <td className="number-cell">{signed(one.difference.mean)}</td>
                <td className="number-cell">
                  {signed(one.difference.low)} to {signed(one.difference.high)}
                </td>
                <td>{verdict(one)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
