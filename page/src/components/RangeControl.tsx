import type { Column, Request } from "../api/types";
import { addControl, isCap, withControl } from "../request/request";
import { placeOfRange, range } from "../request/where";
import { rounded, stepOf } from "../request/steps";
import { DateRange } from "./DateRange";
import { DualSlider } from "./DualSlider";

interface Props {
  column: Column;
  request: Request;
  onEdit: (request: Request, wait?: boolean) => void;
}

/** The request with the whole list between two ends of a column; both null: anywhere. */
export function withRange(
  request: Request,
  column: string,
  least: number | string | null,
  greatest: number | string | null,
): Request {
  const place = placeOfRange(request, column);
  const condition = { ...(least !== null ? { ge: least } : {}), ...(greatest !== null ? { le: greatest } : {}) };
  if (Object.keys(condition).length === 0) return place < 0 ? request : withControl(request, place, null);
  const control = { where: { [column]: condition }, at_least: "all" as const };
  return place < 0 ? addControl(request, control) : withControl(request, place, control);
}

/** A number or a date between two ends, for every item of the list. */
export function RangeControl({ column, request, onEdit }: Props) {
  const one = request.controls[placeOfRange(request, column.name)];
  const found = one !== undefined && !isCap(one) ? range(one.where) : null;
  if (column.type === "date") {
    return (
      <DateRange
        column={column}
        least={found?.least ?? null}
        greatest={found?.greatest ?? null}
        onChange={(least, greatest) => onEdit(withRange(request, column.name, least, greatest))}
      />
    );
  }
  const step = stepOf(Number(column.least), Number(column.greatest));
  const least = rounded(Math.floor(Number(column.least) / step) * step, step);
  const greatest = rounded(Math.ceil(Number(column.greatest) / step) * step, step);
  const lower = found?.least == null ? least : Number(found.least);
  const upper = found?.greatest == null ? greatest : Number(found.greatest);
  const move = (low: number, high: number) =>
    onEdit(withRange(request, column.name, low > least ? rounded(low, step) : null, high < greatest ? rounded(high, step) : null), true);
  return (
    <div className="control">
      <div className="control-head">
        <h3 className="control-name">{column.name}</h3>
        <span className="control-value">
          {found === null ? "any" : lower === upper ? lower : `${lower}–${upper}`}
        </span>
      </div>
      <DualSlider
        label={column.name}
        least={least}
        greatest={greatest}
        step={step}
        lower={lower}
        upper={upper}
        onChange={move}
        names={["from", "to"]}
      />
      <div className="dual-ends" aria-hidden="true">
        <span>{least}</span>
        <span>{greatest}</span>
      </div>
    </div>
  );
}
