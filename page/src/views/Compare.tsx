import { useState } from "react";
import type { Schema } from "../api/types";
import { compare } from "../api/routes";
import { CompareColumn } from "../components/CompareColumn";
import { Icon } from "../components/Icon";
import { PersonBar } from "../components/PersonBar";
import { ProblemCard } from "../components/ProblemCard";
import { Understood } from "../components/Understood";
import { useFetched } from "../state/fetched";
import type { Person } from "../state/person";
import type { Actions, Session } from "../state/session";

interface Props {
  schema: Schema;
  session: Session;
  actions: Actions;
  person: Person;
  peopleHref: string;
}

/** The same user and the same request, answered by all that the run has. */
export function Compare({ schema, session, actions, person, peopleHref }: Props) {
  const [traced, setTraced] = useState<string | null>(null);
  const { request } = session;
  const key = person.loading ? null : JSON.stringify([person.who, request]);
  const found = useFetched(key, (signal) => compare(person.who, request, signal));
  const columns = found.value?.columns ?? [];
  const reference = columns[columns.length - 1];
  return (
    <main id="main" tabIndex={-1} className="view compare">
      <h1 className="sr-only">Compare</h1>
      <div className="compare-head card">
        <PersonBar person={person} peopleHref={peopleHref} />
        <Understood
          request={request}
          noun={schema.noun}
          unplaced={[]}
          conflict={found.problem?.failure.conflict?.controls ?? []}
          turns={session.turns}
          onEdit={actions.edit}
        />
        {found.busy && (
          <button type="button" className="button small compare-cancel" onClick={found.cancel}>
            <Icon name="stop" />
            Cancel
          </button>
        )}
      </div>
      <p className="sr-only" role="status">
        {found.busy ? "Comparing" : `${columns.length} lists`}
      </p>
      {found.problem !== null && (
        <ProblemCard
          error={found.problem}
          request={request}
          noun={schema.noun}
          hasList={columns.length > 0}
          canUndo={session.shown !== null && session.problem !== null}
          onEdit={actions.edit}
          onUndo={actions.undo}
          onAgain={found.again}
        />
      )}
      <div className={found.busy ? "columns is-old" : "columns"} aria-busy={found.busy}>
        {columns.map((column) => (
          <CompareColumn
            key={column.kind}
            column={column}
            reference={reference !== undefined && reference !== column ? reference : null}
            traced={traced}
            onTrace={setTraced}
          />
        ))}
      </div>
      <p className="hint compare-note">
        Moves are against the last column. Point at an item, or focus it, to find it in every list. Numbers are those of the
        run’s report.
      </p>
    </main>
  );
}
