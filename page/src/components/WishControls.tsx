import type { Column, Request } from "../api/types";
import { withWish } from "../request/request";
import { saidWhere } from "../request/wording";
import { useTitles } from "../state/titles";
import { Icon } from "./Icon";
import { WeightSlider } from "./WeightSlider";

interface Props {
  columns: Column[];
  request: Request;
  onEdit: (request: Request, wait?: boolean) => void;
}

/** Wishes: what the list leans to, without a promise. */
export function WishControls({ columns, request, onEdit }: Props) {
  const titles = useTitles();
  const add = (choice: string) => {
    const [column, value] = JSON.parse(choice) as [string, string];
    onEdit({ ...request, prefer: [...request.prefer, { where: { [column]: value }, weight: 1 }] });
  };
  return (
    <div className="control" role="group" aria-label="Wishes">
      <div className="control-head">
        <h3 className="control-name">Lean towards</h3>
        <select className="input small" aria-label="Add a wish" value="" onChange={(event) => add(event.target.value)}>
          <option value="" disabled>
            Add…
          </option>
          {columns.map((column) => (
            <optgroup key={column.name} label={column.name}>
              {(column.values ?? []).slice(0, 100).map((value) => (
                <option key={value} value={JSON.stringify([column.name, value])}>
                  {value}
                </option>
              ))}
            </optgroup>
          ))}
        </select>
      </div>
      {request.prefer.length === 0 && <p className="hint">A weight on scores, never a rule.</p>}
      {request.prefer.map((wish, place) => {
        const what = wish.where ? saidWhere(wish.where, titles) : `like ${saidWhere({ items: wish.like ?? [] }, titles)}`;
        return (
          <div key={place} className="quota">
            <div className="quota-head">
              <span className="quota-name">{what}</span>
              <button
                type="button"
                className="button quiet icon-only tiny"
                aria-label={`Remove the wish: ${what}`}
                onClick={() => onEdit(withWish(request, place, null))}
              >
                <Icon name="close" />
              </button>
            </div>
            <WeightSlider
              label={`How much ${what}`}
              weight={wish.weight}
              onChange={(weight) => onEdit(withWish(request, place, { ...wish, weight }), true)}
            />
          </div>
        );
      })}
    </div>
  );
}
