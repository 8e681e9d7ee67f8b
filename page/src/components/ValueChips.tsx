import { useState } from "react";
import type { Column, Control, Request } from "../api/types";
import { boundsOf } from "../request/bounds";
import { addControl, isCap, withControl } from "../request/request";
import { placeOfValue } from "../request/where";
import { saidBounds } from "../request/wording";
import { Icon } from "./Icon";

interface Props {
  column: Column;
  request: Request;
  onEdit: (request: Request) => void;
}

const FEW = 12;

/** Values of a column: a press asks for half the list of it, the next rules it out, the next lets go. */
export function ValueChips({ column, request, onEdit }: Props) {
  const [query, setQuery] = useState("");
  const [all, setAll] = useState(false);
  const values = column.values ?? [];
  const isShort = values.length <= FEW + 3;
  const wanted = query.trim().toLowerCase();
  const found = values.filter((value) => value.toLowerCase().includes(wanted));
  const few = found.filter((value, place) => place < FEW || placeOfValue(request, column.name, value) >= 0);
  const shown = isShort || all || wanted !== "" ? found.slice(0, 80) : few;

  const press = (value: string) => {
    const place = placeOfValue(request, column.name, value);
    const where = { [column.name]: value };
    const one = request.controls[place];
    if (one === undefined || isCap(one)) {
      onEdit(addControl(request, { where, at_least: Math.max(1, Math.round(request.count / 2)) }));
    } else if (boundsOf(one, request.count).upper === 0) {
      onEdit(withControl(request, place, null));
    } else {
      onEdit(withControl(request, place, { where, at_most: 0 }));
    }
  };

  return (
    <div className="control" role="group" aria-label={column.name}>
      <div className="control-head">
        <h3 className="control-name">{column.name}</h3>
        {!isShort && (
          <span className="search-field">
            <Icon name="search" />
            <input
              className="input small"
              type="search"
              placeholder="Find"
              aria-label={`Find in ${column.name}`}
              value={query}
              onChange={(event) => setQuery(event.target.value)}
            />
          </span>
        )}
      </div>
      <div className="value-chips">
        {shown.map((value) => {
          const one = request.controls[placeOfValue(request, column.name, value)];
          const control: Control | null = one !== undefined && !isCap(one) ? one : null;
          const state = control === null ? "off" : boundsOf(control, request.count).upper === 0 ? "out" : "in";
          const said = control === null ? "not ruled" : saidBounds(control);
          const next = { off: "ask for it", in: "rule it out", out: "let go" }[state];
          return (
            <button
              key={value}
              type="button"
              className={`value-chip is-${state}`}
              aria-pressed={state !== "off"}
              aria-label={`${value}: ${said}. Press to ${next}`}
              onClick={() => press(value)}
            >
              {state === "in" && <Icon name="check" />}
              {state === "out" && <Icon name="close" />}
              {value}
            </button>
          );
        })}
        {!isShort && wanted === "" && values.length > shown.length && (
          <button type="button" className="value-chip is-more" onClick={() => setAll(true)}>
            {values.length - shown.length} more
          </button>
        )}
        {shown.length === 0 && <span className="muted">Nothing is called that.</span>}
      </div>
    </div>
  );
}
