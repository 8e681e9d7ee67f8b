import type { Column, Request } from "../api/types";
import { limitOf } from "../request/bounds";
import { addControl, isCap, withControl } from "../request/request";
import { placeOfCap } from "../request/where";
import { singular } from "../request/wording";

interface Props {
  columns: Column[];
  request: Request;
  onEdit: (request: Request, wait?: boolean) => void;
}

/** Variety: at most so many items with any one value of a column. */
export function CapControls({ columns, request, onEdit }: Props) {
  if (columns.length === 0) return null;
  return (
    <div className="control" role="group" aria-label="Variety">
      <h3 className="control-name">Variety</h3>
      {columns.map((column) => {
        const place = placeOfCap(request, column.name);
        const one = request.controls[place];
        const limit = one !== undefined && isCap(one) ? limitOf(one, request.count) : request.count;
        const isFree = one === undefined;
        const move = (most: number) => {
          const cap = most >= request.count ? null : { each: column.name, at_most: most };
          if (cap === null) onEdit(place < 0 ? request : withControl(request, place, null), true);
          else onEdit(place < 0 ? addControl(request, cap) : withControl(request, place, cap), true);
        };
        return (
          <div key={column.name} className="cap">
            <div className="control-head">
              <span>Most of one {singular(column.name)}</span>
              <span className="control-value">{isFree ? "any" : limit}</span>
            </div>
            <input
              type="range"
              className="slider"
              aria-label={`Most of one ${singular(column.name)}`}
              aria-valuetext={isFree ? "any number" : String(limit)}
              min={1}
              max={Math.max(2, request.count)}
              value={limit}
              onChange={(event) => move(Number(event.target.value))}
            />
          </div>
        );
      })}
    </div>
  );
}
