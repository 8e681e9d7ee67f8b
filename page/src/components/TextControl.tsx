import { useId } from "react";
import type { Column, Request } from "../api/types";
import { addControl, isCap, withControl } from "../request/request";
import { piece, placeOfPiece } from "../request/where";

interface Props {
  column: Column;
  request: Request;
  onEdit: (request: Request, wait?: boolean) => void;
}

/** The request whose every item has a piece of text in a column; empty: any text. */
function withPiece(request: Request, column: string, contains: string): Request {
  const place = placeOfPiece(request, column);
  if (contains.trim() === "") return place < 0 ? request : withControl(request, place, null);
  const control = { where: { [column]: { contains } }, at_least: "all" as const };
  return place < 0 ? addControl(request, control) : withControl(request, place, control);
}

/** A piece of text that every item of the list has in a column. */
export function TextControl({ column, request, onEdit }: Props) {
  const id = useId();
  const one = request.controls[placeOfPiece(request, column.name)];
  const contains = one !== undefined && !isCap(one) ? (piece(one.where)?.contains ?? "") : "";
  return (
    <div className="control">
      <div className="control-head">
        <label htmlFor={id} className="control-name">
          {column.name} contains
        </label>
      </div>
      <input
        id={id}
        className="input"
        type="search"
        maxLength={200}
        placeholder="Any words"
        value={contains}
        onChange={(event) => onEdit(withPiece(request, column.name, event.target.value), true)}
      />
    </div>
  );
}
