import type { Control, Request, Where } from "../api/types";
import { boundsOf } from "../request/bounds";
import { addControl, isCap, withControl } from "../request/request";
import { saidBounds } from "../request/wording";
import { Icon } from "./Icon";

interface Props {
  text: string;
  /** The set of items that it stands for. */
  where: Where;
  /** Place of the control over that set; -1 where there is none. */
  place: number;
  request: Request;
  onEdit: (request: Request) => void;
}

/** A set of items: a press asks for half the list of it, the next rules it out, the next lets go. */
export function ChoiceChip({ text, where, place, request, onEdit }: Props) {
  const one = request.controls[place];
  const control: Control | null = one !== undefined && !isCap(one) ? one : null;
  const state = control === null ? "off" : boundsOf(control, request.count).upper === 0 ? "out" : "in";
  const said = control === null ? "not ruled" : saidBounds(control);
  const next = { off: "ask for it", in: "rule it out", out: "let go" }[state];
  const press = () => {
    if (state === "off") onEdit(addControl(request, { where, at_least: Math.max(1, Math.round(request.count / 2)) }));
    else onEdit(withControl(request, place, state === "in" ? { where, at_most: 0 } : null));
  };
  return (
    <button
      type="button"
      className={`value-chip is-${state}`}
      aria-pressed={state !== "off"}
      aria-label={`${text}: ${said}. Press to ${next}`}
      onClick={press}
    >
      {state === "in" && <Icon name="check" />}
      {state === "out" && <Icon name="close" />}
      {text}
    </button>
  );
}
