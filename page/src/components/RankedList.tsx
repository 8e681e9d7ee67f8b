import type { Request } from "../api/types";
import { moveOf } from "../request/moves";
import { withoutItem } from "../request/request";
import { saidWanted } from "../request/wanted";
import type { Actions, Session } from "../state/session";
import { ListRow } from "./ListRow";

interface Props {
  session: Session;
  actions: Actions;
}

/** The list, with reasons and moves. */
export function RankedList({ session, actions }: Props) {
  const { shown, before, reasons, thumbs } = session;
  if (shown === null) {
    return (
      <div className="list-empty" aria-hidden="true">
        {Array.from({ length: 6 }, (_, place) => (
          <div key={place} className="ghost" />
        ))}
      </div>
    );
  }
  const served: Request = shown.certificate.request;
  const wanted = saidWanted(served);
  const isOld = session.busy || session.problem !== null || session.stale;
  return (
    <ol className={`list${isOld ? " is-old" : ""}${before === null ? " is-first" : ""}`} aria-label="Recommended">
      {shown.items.map((item, place) => (
        <ListRow
          key={item.item_id}
          item={item}
          place={place}
          move={moveOf(item.item_id, place, before)}
          reason={reasons?.[place] ?? null}
          request={served}
          wanted={wanted}
          thumb={thumbs[item.item_id] ?? null}
          onThumb={(thumb) => actions.thumb(item.item_id, thumb)}
          onLike={() =>
            actions.edit({ ...session.request, prefer: [...session.request.prefer, { like: [item.item_id], weight: 1 }] })
          }
          onExclude={() => actions.edit(withoutItem(session.request, item.item_id))}
        />
      ))}
    </ol>
  );
}
