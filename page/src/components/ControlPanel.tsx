import type { Column, Request, Schema } from "../api/types";
import { isCap, withCount } from "../request/request";
import { piece, range, rulesAll } from "../request/where";
import { CapControls } from "./CapControls";
import { PathControl } from "./PathControl";
import { QuotaRow } from "./QuotaRow";
import { RangeControl } from "./RangeControl";
import { Switch } from "./Switch";
import { TextControl } from "./TextControl";
import { ValueChips } from "./ValueChips";
import { WishControls } from "./WishControls";

interface Props {
  schema: Schema;
  request: Request;
  onEdit: (request: Request, wait?: boolean) => void;
}

const LONGEST = 50;

function isCategory(column: Column): boolean {
  return (column.type === "category" || column.type === "categories") && (column.values?.length ?? 0) > 0;
}

function isRange(column: Column): boolean {
  return (column.type === "number" || column.type === "date") && column.least !== null && column.greatest !== null;
}

/** Controls made from the columns of the catalogue: another view of the request that the chat is about. */
export function ControlPanel({ schema, request, onEdit }: Props) {
  const categories = schema.columns.filter(isCategory);
  const ranges = schema.columns.filter(isRange);
  const paths = schema.columns.filter((column) => (column.paths?.length ?? 0) > 0);
  const texts = schema.columns.filter((column) => column.type === "text");
  const ruled = request.controls.flatMap((one, place) => {
    if (isCap(one)) return [];
    const column = range(one.where)?.column;
    const hasSlider = rulesAll(one) && ranges.some((other) => other.name === column && other.type === "number");
    const words = piece(one.where)?.column;
    const hasField = rulesAll(one) && texts.some((other) => other.name === words);
    return hasSlider || hasField ? [] : [{ control: one, place }];
  });
  return (
    <div className="controls">
      <div className="control">
        <div className="control-head">
          <label htmlFor="count" className="control-name">
            How many {schema.noun}
          </label>
          <output className="control-value" htmlFor="count">
            {request.count}
          </output>
        </div>
        <input
          id="count"
          type="range"
          className="slider"
          min={1}
          max={Math.max(LONGEST, request.count)}
          value={request.count}
          onChange={(event) => onEdit(withCount(request, Number(event.target.value)), true)}
        />
      </div>
      {categories.map((column) => (
        <ValueChips key={column.name} column={column} request={request} onEdit={onEdit} />
      ))}
      {paths.map((column) => (
        <PathControl key={column.name} column={column} request={request} onEdit={onEdit} />
      ))}
      {ruled.length > 0 && (
        <div className="control" role="group" aria-label="Quotas">
          <div className="control-head">
            <h3 className="control-name">Quotas</h3>
            <span className="hint">of {request.count}</span>
          </div>
          {ruled.map(({ control, place }) => (
            <QuotaRow key={place} control={control} place={place} request={request} onEdit={onEdit} />
          ))}
        </div>
      )}
      {ranges.map((column) => (
        <RangeControl key={column.name} column={column} request={request} onEdit={onEdit} />
      ))}
      {texts.map((column) => (
        <TextControl key={column.name} column={column} request={request} onEdit={onEdit} />
      ))}
      <CapControls columns={categories} request={request} onEdit={onEdit} />
      <WishControls columns={categories} request={request} onEdit={onEdit} />
      <div className="control">
        <Switch
          label="Leave out what was seen"
          checked={!request.allow_seen}
          onChange={(hide) => onEdit({ ...request, allow_seen: !hide })}
        />
      </div>
    </div>
  );
}
