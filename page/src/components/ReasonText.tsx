import type { Reason, Request } from "../api/types";
import { isCap } from "../request/request";
import { rulesAll } from "../request/where";
import { saidControl } from "../request/wording";
import { useTitles } from "../state/titles";

/** Why an item is in the list: controls it serves, its rank without them, the history that carries it. */
export function ReasonText({ reason, request }: { reason: Reason; request: Request }) {
  const titles = useTitles();
  const served = reason.controls.flatMap((place) => {
    const control = request.controls[place];
    // what every item must be is no reason for one of them
    if (control === undefined || (!isCap(control) && rulesAll(control))) return [];
    return [saidControl(control, request.count, titles)];
  });
  const names = reason.carriers.map((carrier) => carrier.title);
  return (
    <p className="reason" title={reason.sentence}>
      {served.length > 0 && <span>serves {served.join(", ")}</span>}
      {reason.rank !== null && (
        <span>
          no. {reason.rank} {request.controls.length > 0 ? "without controls" : "for the teacher alone"}
        </span>
      )}
      {names.length > 0 && <span>because of {names.join(", ")}</span>}
    </p>
  );
}
