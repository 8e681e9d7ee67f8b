import type { Control, Request } from "../api/types";
import { boundsOf, lengthOf, withBounds } from "../request/bounds";
import { withControl } from "../request/request";
import { saidBounds, saidPlace, saidWhere } from "../request/wording";
import { useTitles } from "../state/titles";
import { DualSlider } from "./DualSlider";
import { Icon } from "./Icon";

interface Props {
  control: Control;
  place: number;
  request: Request;
  onEdit: (request: Request, wait?: boolean) => void;
}

/** One quota: a set of items, and a slider for how many of the list it must and may give. */
export function QuotaRow({ control, place, request, onEdit }: Props) {
  const titles = useTitles();
  const { lower, upper } = boundsOf(control, request.count);
  const what = saidWhere(control.where, titles) + saidPlace(control);
  const move = (low: number, high: number) =>
    onEdit(withControl(request, place, withBounds(control, { lower: low, upper: high }, request.count)), true);
  return (
    <div className="quota">
      <div className="quota-head">
        <span className="quota-name">{what}</span>
        <span className="control-value">{saidBounds(control)}</span>
        <button
          type="button"
          className="button quiet icon-only tiny"
          aria-label={`Remove: ${what}`}
          onClick={() => onEdit(withControl(request, place, null))}
        >
          <Icon name="close" />
        </button>
      </div>
      <DualSlider label={what} least={0} greatest={lengthOf(control, request.count)} lower={lower} upper={upper} onChange={move} />
    </div>
  );
}
