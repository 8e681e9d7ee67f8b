import { useState } from "react";
import type { Curve } from "../api/types";
import { LineChart } from "./LineChart";
import { Switch } from "./Switch";

const TECHNICAL = /^(learning_rate|grad_norm|tokens_per_s|clip_fraction|ratio_max|zero_advantage_groups|allowed_mass)$|^mrr|:/;
const ORDER = ["align", "sft"];

function placeOf(stage: string): number {
  const place = ORDER.indexOf(stage);
  return place < 0 ? ORDER.length : place;
}

/** Training curves, a stage at a time. */
export function Training({ curves }: { curves: Curve[] }) {
  const stages = [...new Set(curves.map((curve) => curve.stage))].sort((one, other) => placeOf(one) - placeOf(other));
  const [chosen, setChosen] = useState(stages[0] ?? "");
  const [all, setAll] = useState(false);
  const shown = curves.filter((curve) => curve.stage === chosen && (all || !TECHNICAL.test(curve.metric)));
  return (
    <section className="card" aria-label="Training">
      <div className="card-head training-head">
        <h2>Training</h2>
        <div className="segments" role="group" aria-label="Stage">
          {stages.map((stage) => (
            <button key={stage} type="button" className="segment" aria-pressed={stage === chosen} onClick={() => setChosen(stage)}>
              {stage}
            </button>
          ))}
        </div>
        <Switch label="All metrics" checked={all} onChange={setAll} />
      </div>
      <div className="charts">
        {shown.map((curve) => (
          <LineChart key={curve.stage + curve.metric} curve={curve} />
        ))}
      </div>
    </section>
  );
}
