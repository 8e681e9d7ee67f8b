import type { Cap, Control, Request, Turn } from "../api/types";
import { limitOf } from "../request/bounds";
import { isCap, withControl, withCount, withWish, wordsOf } from "../request/request";
import { saidControl, saidWish, singular } from "../request/wording";
import { useTitles } from "../state/titles";
import { BoundsEditor } from "./BoundsEditor";
import { Chip } from "./Chip";
import { NumberField } from "./NumberField";
import { WeightSlider } from "./WeightSlider";

interface Props {
  request: Request;
  noun: string;
  unplaced: string[];
  /** Places of controls that contradict each other. */
  conflict: number[];
  /** What was said so far: a chip shows the words that asked for it. */
  turns: Turn[];
  onEdit: (request: Request, wait?: boolean) => void;
}

const MOST = 200;

/** What was understood, as chips: each can be edited or removed; what found no place is shown too. */
export function Understood({ request, noun, unplaced, conflict, turns, onEdit }: Props) {
  const titles = useTitles();
  const editor = (one: Control | Cap, place: number) => {
    if (isCap(one)) {
      const limit = limitOf(one, request.count);
      const set = (most: number) => onEdit(withControl(request, place, { each: one.each, at_most: most }), true);
      return <NumberField label={`Most of one ${singular(one.each)}`} value={limit} least={0} greatest={request.count} onChange={set} />;
    }
    const name = saidControl(one, request.count, titles);
    return (
      <BoundsEditor
        control={one}
        count={request.count}
        name={name}
        onChange={(changed) => onEdit(withControl(request, place, changed), true)}
      />
    );
  };
  return (
    <section className="understood" aria-label="What was understood">
      <ul className="chips">
        <Chip
          text={`${request.count} ${noun}`}
          editor={
            <NumberField
              label={`Number of ${noun}`}
              value={request.count}
              least={1}
              greatest={MOST}
              onChange={(count) => onEdit(withCount(request, count), true)}
            />
          }
        />
        {request.controls.map((one, place) => (
          <Chip
            key={place}
            text={saidControl(one, request.count, titles)}
            editor={editor(one, place)}
            onRemove={() => onEdit(withControl(request, place, null))}
            tone={conflict.includes(place) ? "conflict" : "plain"}
            said={wordsOf(one, turns)}
          />
        ))}
        {request.prefer.map((wish, place) => (
          <Chip
            key={`wish-${place}`}
            tone="wish"
            text={saidWish(wish, titles)}
            editor={
              <WeightSlider
                label={`How much ${saidWish(wish, titles)}`}
                weight={wish.weight}
                onChange={(weight) => onEdit(withWish(request, place, { ...wish, weight }), true)}
              />
            }
            onRemove={() => onEdit(withWish(request, place, null))}
          />
        ))}
        {request.candidates !== null && (
          <Chip
            text={`only from ${request.candidates.length} ${noun}`}
            onRemove={() => onEdit({ ...request, candidates: null })}
          />
        )}
        {request.exclude.map((id) => (
          <Chip
            key={`exclude-${id}`}
            text={`without ${titles.get(id) ?? id}`}
            onRemove={() => onEdit({ ...request, exclude: request.exclude.filter((one) => one !== id) })}
          />
        ))}
        {request.allow_seen ? (
          <Chip text="seen ones may come again" onRemove={() => onEdit({ ...request, allow_seen: false })} />
        ) : (
          <Chip
            text="nothing seen before"
            removeName="Let seen ones come again"
            onRemove={() => onEdit({ ...request, allow_seen: true })}
          />
        )}
        {unplaced.map((words) => (
          <Chip key={`unplaced-${words}`} tone="unplaced" text={`not understood: “${words}”`} />
        ))}
      </ul>
    </section>
  );
}
