import type { ListedItem, Reason, Request } from "../api/types";
import type { Move } from "../request/moves";
import { Badges } from "./Badges";
import { Icon } from "./Icon";
import { MoveMark } from "./MoveMark";
import { ReasonText } from "./ReasonText";

interface Props {
  item: ListedItem;
  place: number;
  move: Move;
  reason: Reason | null;
  request: Request;
  wanted: ReadonlySet<string>;
  thumb: "up" | "down" | null;
  onThumb: (thumb: "up" | "down") => void;
  onLike: () => void;
  onExclude: () => void;
}

/** One item of the list: where it stands, how it moved, why it is here, and what can be said of it. */
export function ListRow({ item, place, move, reason, request, wanted, thumb, onThumb, onLike, onExclude }: Props) {
  return (
    <li className="row" data-item={item.item_id} tabIndex={-1}>
      <span className="row-place">{place + 1}</span>
      {move.kind !== "first" && <MoveMark move={move} />}
      <div className="row-main">
        <div className="row-title">
          <span className="row-name">{item.title}</span>
          <Badges title={item.title} attributes={item.attributes} wanted={wanted} />
        </div>
        {reason === null ? <p className="reason pending" aria-hidden="true" /> : <ReasonText reason={reason} request={request} />}
      </div>
      <div className="row-tools">
        <button
          type="button"
          className="button quiet icon-only"
          aria-label={`Good: ${item.title}`}
          aria-pressed={thumb === "up"}
          title="Good"
          onClick={() => onThumb("up")}
        >
          <Icon name="thumbUp" />
        </button>
        <button
          type="button"
          className="button quiet icon-only"
          aria-label={`Bad: ${item.title}`}
          aria-pressed={thumb === "down"}
          title="Bad"
          onClick={() => onThumb("down")}
        >
          <Icon name="thumbDown" />
        </button>
        <button type="button" className="button quiet icon-only" aria-label={`More like ${item.title}`} title="More like this" onClick={onLike}>
          <Icon name="plus" />
        </button>
        <button type="button" className="button quiet icon-only" aria-label={`Leave out ${item.title}`} title="Leave it out" onClick={onExclude}>
          <Icon name="close" />
        </button>
      </div>
    </li>
  );
}
