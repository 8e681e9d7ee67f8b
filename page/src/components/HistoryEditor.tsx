import { useState } from "react";
import type { HistoryItem } from "../api/types";
import { saidFailure } from "../request/failure";
import type { Person } from "../state/person";
import { Icon } from "./Icon";
import { ItemSearch } from "./ItemSearch";
import { SaveHistory } from "./SaveHistory";

interface Props {
  person: Person;
  noun: string;
}

const FEW = 60;

/** What a person has seen, newest first: add, drop, move. The list follows at once; storing is another step. */
export function HistoryEditor({ person, noun }: Props) {
  const [all, setAll] = useState(false);
  const { history } = person;
  const newest = [...history].reverse();
  const problem = person.problem === null ? null : saidFailure(person.problem.failure);
  const shown = all ? newest : newest.slice(0, FEW);
  const edit = (reversed: HistoryItem[]) => person.edit([...reversed].reverse());
  const move = (place: number, by: number) => {
    const changed = [...newest];
    const [item] = changed.splice(place, 1);
    if (item !== undefined) changed.splice(place + by, 0, item);
    edit(changed);
  };
  return (
    <section className="card history" aria-label="History">
      <div className="card-head">
        <h2>
          {person.userId === null ? "Nobody yet" : `User ${person.userId}`}
          <span className="hint">
            {history.length} {noun} seen, newest first
          </span>
        </h2>
      </div>
      <div className="history-tools">
        <ItemSearch noun={noun} onAdd={(item) => edit([item, ...newest])} />
        {person.edited !== null && <SaveHistory key={person.userId} person={person} />}
        {problem !== null && (
          <p className="field-error" role="alert">
            {problem.message} {problem.advice}
          </p>
        )}
      </div>
      {history.length === 0 && !person.loading && (
        <p className="muted history-empty">Nothing yet. Add a few {noun} and watch the list move.</p>
      )}
      <ol className="history-list" aria-label={`${noun} seen`}>
        {shown.map((item, place) => {
          const title = item.title ?? item.item_id;
          return (
            <li key={`${item.item_id}-${newest.length - place}`} className="history-row">
              <span className="row-place">{newest.length - place}</span>
              <span className={item.title === null ? "history-title muted" : "history-title"}>{title}</span>
              <button
                type="button"
                className="button quiet icon-only tiny"
                aria-label={`Newer: ${title}`}
                disabled={place === 0}
                onClick={() => move(place, -1)}
              >
                <Icon name="up" />
              </button>
              <button
                type="button"
                className="button quiet icon-only tiny"
                aria-label={`Older: ${title}`}
                disabled={place === newest.length - 1}
                onClick={() => move(place, 1)}
              >
                <Icon name="down" />
              </button>
              <button
                type="button"
                className="button quiet icon-only tiny"
                aria-label={`Drop: ${title}`}
                onClick={() => edit(newest.filter((_, other) => other !== place))}
              >
                <Icon name="close" />
              </button>
            </li>
          );
        })}
      </ol>
      {newest.length > shown.length && (
        <button type="button" className="button quiet history-more" onClick={() => setAll(true)}>
          Show all {newest.length}
        </button>
      )}
    </section>
  );
}
