import { useState } from "react";
import type { Column, Request } from "../api/types";
import { same } from "../request/request";
import { placeOfPath } from "../request/where";
import { ChoiceChip } from "./ChoiceChip";
import { Icon } from "./Icon";

interface Props {
  column: Column;
  request: Request;
  onEdit: (request: Request) => void;
}

const FEW = 12;

/** A tree of a catalogue: every branch can be asked for, ruled out or let go, and opened to show its own. */
export function PathControl({ column, request, onEdit }: Props) {
  return (
    <div className="control" role="group" aria-label={column.name}>
      <div className="control-head">
        <h3 className="control-name">{column.name}</h3>
      </div>
      <Branches column={column} above={[]} request={request} onEdit={onEdit} />
    </div>
  );
}

function Branches({ column, above, request, onEdit }: Props & { above: string[] }) {
  const [opened, setOpened] = useState<string[]>([]);
  const [all, setAll] = useState(false);
  const paths = column.paths ?? [];
  const depth = above.length;
  const inside = paths.filter((one) => one.length > depth && same(one.slice(0, depth), above));
  const own = inside.filter((one) => one.length === depth + 1);
  const isParent = (one: string[]) => inside.some((other) => other.length > depth + 1 && other[depth] === one[depth]);
  const hasParents = own.some(isParent);
  const shown = all || own.length <= FEW + 3 ? own : own.slice(0, FEW);
  return (
    <ul className={depth === 0 ? "branches" : "branches is-inner"}>
      {shown.map((one) => {
        const name = one[depth] ?? "";
        const isOpen = opened.includes(name);
        const toggle = () => setOpened(isOpen ? opened.filter((other) => other !== name) : [...opened, name]);
        return (
          <li key={name}>
            <span className="branch">
              {!isParent(one) && hasParents && <span className="branch-leaf" />}
              {isParent(one) && (
                <button
                  type="button"
                  className="branch-open"
                  aria-expanded={isOpen}
                  aria-label={`What is in ${name}`}
                  onClick={toggle}
                >
                  <Icon name="chevron" />
                </button>
              )}
              <ChoiceChip
                text={name}
                where={{ [column.name]: { under: one } }}
                place={placeOfPath(request, column.name, one)}
                request={request}
                onEdit={onEdit}
              />
            </span>
            {isOpen && <Branches column={column} above={one} request={request} onEdit={onEdit} />}
          </li>
        );
      })}
      {shown.length < own.length && (
        <li>
          <button type="button" className="value-chip is-more" onClick={() => setAll(true)}>
            {own.length - shown.length} more
          </button>
        </li>
      )}
    </ul>
  );
}
