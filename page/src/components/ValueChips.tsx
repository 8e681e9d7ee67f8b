import { useState } from "react";
import type { Column, Request } from "../api/types";
import { placeOfValue } from "../request/where";
import { ChoiceChip } from "./ChoiceChip";
import { Icon } from "./Icon";

interface Props {
  column: Column;
  request: Request;
  onEdit: (request: Request) => void;
}

const FEW = 12;

/** Values of a column, each to ask for, rule out or let go. */
export function ValueChips({ column, request, onEdit }: Props) {
  const [query, setQuery] = useState("");
  const [all, setAll] = useState(false);
  const values = column.values ?? [];
  const isShort = values.length <= FEW + 3;
  const wanted = query.trim().toLowerCase();
  const found = values.filter((value) => value.toLowerCase().includes(wanted));
  const few = found.filter((value, place) => place < FEW || placeOfValue(request, column.name, value) >= 0);
  const shown = isShort || all || wanted !== "" ? found.slice(0, 80) : few;

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
          const place = placeOfValue(request, column.name, value);
          const where = { [column.name]: value };
          return <ChoiceChip key={value} text={value} where={where} place={place} request={request} onEdit={onEdit} />;
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
