import type { ReportRow } from "../api/types";
import { ACCURACY, metricOf, OBEDIENCE, percent } from "../request/results";

interface Props {
  rows: ReportRow[];
  marked: string | null;
  onMark: (name: string | null) => void;
}

const WIDTH = 560;
const HEIGHT = 330;
const LABEL = 24;
const NEAR = 26;
const APART = 14;
const PAD = { left: 46, right: 22, top: 16, bottom: 40 };

interface Scale {
  step: number;
  top: number;
}

function scaleFor(value: number): Scale {
  const step = value > 0.25 ? 0.1 : value > 0.1 ? 0.05 : 0.02;
  return { step, top: Math.ceil(value / step) * step };
}

/** Heights for labels beside points, so that none covers another: pushed apart, nearest first. */
function spread(heights: number[], apart: number): number[] {
  const order = heights.map((height, place) => ({ height, place })).sort((one, other) => one.height - other.height);
  const placed = [...heights];
  order.forEach(({ place, height }, index) => {
    const above = order[index - 1];
    placed[place] = above === undefined ? height : Math.max(height, (placed[above.place] ?? 0) + apart);
  });
  const shift = placed.reduce((sum, height, place) => sum + height - (heights[place] ?? 0), 0) / (heights.length || 1);
  return placed.map((height) => height - shift);
}

/** Accuracy against obedience: up and to the right is better; bars are 95 % intervals. */
export function Frontier({ rows, marked, onMark }: Props) {
  const points = rows.flatMap((row, place) => {
    const accuracy = metricOf(row, ACCURACY);
    const obedience = metricOf(row, OBEDIENCE);
    return accuracy && obedience ? [{ name: row.name, number: place + 1, accuracy, obedience }] : [];
  });
  if (points.length === 0) return null;
  const { step, top } = scaleFor(Math.max(...points.map((point) => point.accuracy.high)));
  const levels = Array.from({ length: Math.round(top / step) + 1 }, (_, place) => place * step);
  const x = (value: number) => PAD.left + value * (WIDTH - PAD.left - PAD.right);
  const y = (value: number) => HEIGHT - PAD.bottom - (value / top) * (HEIGHT - PAD.top - PAD.bottom);
  const labels = new Map<string, number>();
  for (const point of points) {
    const near = points.filter((other) => Math.abs(x(other.obedience.mean) - x(point.obedience.mean)) < NEAR);
    const heights = spread(near.map((one) => y(one.accuracy.mean)), APART);
    labels.set(point.name, heights[near.indexOf(point)] ?? 0);
  }
  const said = points.map((one) => `${one.name}: NDCG ${one.accuracy.mean.toFixed(3)}, obeys ${percent(one.obedience.mean)}`);
  return (
    <section className="card" aria-label="Accuracy against obedience">
      <div className="card-head">
        <h2>Accuracy against obedience</h2>
        <span className="hint">numbers as in the table</span>
      </div>
      <div className="scrolls" tabIndex={0} role="group" aria-label="Chart">
      <svg className="frontier" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={said.join("; ")}>
        {[0, 0.25, 0.5, 0.75, 1].map((share) => (
          <g key={share}>
            <line className="grid-line" x1={x(share)} x2={x(share)} y1={y(0)} y2={y(top)} />
            <text className="tick" x={x(share)} y={HEIGHT - PAD.bottom + 16} textAnchor="middle">
              {percent(share)}
            </text>
          </g>
        ))}
        {levels.map((level) => (
          <g key={level}>
            <line className="grid-line" x1={x(0)} x2={x(1)} y1={y(level)} y2={y(level)} />
            <text className="tick" x={PAD.left - 8} y={y(level) + 4} textAnchor="end">
              {level.toFixed(2)}
            </text>
          </g>
        ))}
        <text className="axis" x={x(0.5)} y={HEIGHT - 4} textAnchor="middle">
          requests obeyed
        </text>
        <text className="axis" x={PAD.left + 6} y={PAD.top + 10}>
          NDCG@10
        </text>
        {points.map((point) => (
          <g
            key={point.name}
            className={`dot${marked === point.name ? " is-marked" : ""}${marked !== null && marked !== point.name ? " is-faint" : ""}`}
            onMouseEnter={() => onMark(point.name)}
            onMouseLeave={() => onMark(null)}
          >
            <line x1={x(point.obedience.mean)} x2={x(point.obedience.mean)} y1={y(point.accuracy.low)} y2={y(point.accuracy.high)} />
            <circle cx={x(point.obedience.mean)} cy={y(point.accuracy.mean)} r={5} />
            <line
              className="leader"
              x1={x(point.obedience.mean) - 6}
              x2={x(point.obedience.mean) - LABEL + 7}
              y1={y(point.accuracy.mean)}
              y2={labels.get(point.name) ?? 0}
            />
            <text x={x(point.obedience.mean) - LABEL} y={(labels.get(point.name) ?? 0) + 4} textAnchor="middle">
              {point.number}
            </text>
          </g>
        ))}
      </svg>
      </div>
    </section>
  );
}
