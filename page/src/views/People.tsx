import type { Schema } from "../api/types";
import { HistoryEditor } from "../components/HistoryEditor";
import { ListPanel } from "../components/ListPanel";
import { UserList } from "../components/UserList";
import type { Person } from "../state/person";
import type { Actions, Session } from "../state/session";

interface Props {
  schema: Schema;
  session: Session;
  actions: Actions;
  person: Person;
}

/** Users and what they have seen; an edited history moves the list before it is stored. */
export function People({ schema, session, actions, person }: Props) {
  return (
    <main id="main" tabIndex={-1} className="view people">
      <h1 className="sr-only">People</h1>
      <section className="card people-users" aria-label="Choose a user">
        <div className="card-head">
          <h2>Users</h2>
        </div>
        <UserList chosen={person.userId} onChoose={person.choose} />
      </section>
      <HistoryEditor person={person} noun={schema.noun} />
      <ListPanel session={session} actions={actions} schema={schema} who={person.who} />
    </main>
  );
}
