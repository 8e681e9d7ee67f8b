import type { Compared } from "../api/types";
import { moveOf } from "../request/moves";
import { saidWanted } from "../request/wanted";
import { saidControl } from "../request/wording";
import { useTitles } from "../state/titles";
import { Badges } from "./Badges";
import { MoveMark } from "./MoveMark";
import { isObeyed, Seal } from "./Seal";

const NAMES: Record<Compared["kind"], [string, string]> = {
  popularity: ["Popular", "what most people saw; knows no control"],
  teacher: ["Teacher", "under exact control"],
  before: ["Before alignment", "the fine-tuned model"],
  served: ["Served", "the model that answers"],
};

interface Props {
  column: Compared;
  reference: Compared | null;
  traced: string | null;
  onTrace: (itemId: string | null) => void;
}

/** One list of the comparison: who made it, whether it obeys, and how it differs from the last column. */
export function CompareColumn({ column, reference, traced, onTrace }: Props) {
  const titles = useTitles();
  const [name, what] = NAMES[column.kind];
  const { certificate, metrics } = column;
  const wanted = saidWanted(certificate.request);
  const against = reference?.items.map((item) => item.item_id) ?? null;
  const broken = certificate.controls.flatMap((result) => {
    const control = certificate.request.controls[result.index];
    if (result.satisfied || control === undefined) return [];
    return [`${saidControl(control, certificate.request.count, titles)}: has ${result.matched}`];
  });
  const accuracy = metrics["ndcg@10"];
  const obedience = metrics["control_satisfaction@k"];
  return (
    <section className="card column" aria-label={name}>
      <header className="column-head">
        <h2>{name}</h2>
        <p className="hint">{what}</p>
        <Seal certificate={certificate} />
        <dl className="column-facts">
          <Fact name="NDCG@10" value={accuracy?.toFixed(3)} />
          <Fact name="Obeys" value={obedience === undefined ? undefined : `${(100 * obedience).toFixed(0)} %`} />
        </dl>
      </header>
      <ol className="column-list">
        {column.items.map((item, place) => (
          <li
            key={item.item_id}
            className={traced === item.item_id ? "column-row is-traced" : "column-row"}
            tabIndex={0}
            onMouseEnter={() => onTrace(item.item_id)}
            onMouseLeave={() => onTrace(null)}
            onFocus={() => onTrace(item.item_id)}
            onBlur={() => onTrace(null)}
          >
            <span className="row-place">{place + 1}</span>
            <div className="row-main">
              <span className="row-name">{item.title}</span>
              <Badges title={item.title} attributes={item.attributes} wanted={wanted} />
            </div>
            {against !== null && <MoveMark move={moveOf(item.item_id, place, against)} absent="not served" />}
          </li>
        ))}
      </ol>
      {!isObeyed(certificate) && broken.length > 0 && <p className="column-broken">{broken.join("; ")}</p>}
    </section>
  );
}

function Fact({ name, value }: { name: string; value: string | undefined }) {
  if (value === undefined) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
