import type { Column } from "../api/types";

interface Props {
  column: Column;
  least: number | string | null;
  greatest: number | string | null;
  onChange: (least: string | null, greatest: string | null) => void;
}

export function DateRange({ column, least, greatest, onChange }: Props) {
  const from = least === null ? "" : String(least);
  const to = greatest === null ? "" : String(greatest);
  return (
    <fieldset className="control date-range">
      <legend className="control-name">{column.name}</legend>
      <label>
        <span className="label">From</span>
        <input
          className="input"
          type="date"
          min={String(column.least)}
          max={String(column.greatest)}
          value={from}
          onChange={(event) => onChange(event.target.value || null, to || null)}
        />
      </label>
      <label>
        <span className="label">To</span>
        <input
          className="input"
          type="date"
          min={String(column.least)}
          max={String(column.greatest)}
          value={to}
          onChange={(event) => onChange(from || null, event.target.value || null)}
        />
      </label>
    </fieldset>
  );
}
