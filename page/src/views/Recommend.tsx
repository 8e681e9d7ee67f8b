import type { Schema } from "../api/types";
import { Chat } from "../components/Chat";
import { ControlPanel } from "../components/ControlPanel";
import { Icon } from "../components/Icon";
import { ListPanel } from "../components/ListPanel";
import { PersonBar } from "../components/PersonBar";
import { examplesOf } from "../request/examples";
import type { Person } from "../state/person";
import type { Actions, Session } from "../state/session";
import { useWide } from "../state/wide";

interface Props {
  schema: Schema;
  session: Session;
  actions: Actions;
  person: Person;
  peopleHref: string;
}

/** Chat beside controls: two views of one request, and the list that obeys it. */
export function Recommend({ schema, session, actions, person, peopleHref }: Props) {
  const wide = useWide();
  return (
    <main id="main" tabIndex={-1} className="view recommend">
      <h1 className="sr-only">Recommend</h1>
      <div className="left">
        <PersonBar person={person} peopleHref={peopleHref} />
        <Chat
          lines={session.lines}
          noun={schema.noun}
          examples={examplesOf(schema)}
          busy={session.busy}
          onSay={actions.say}
          onCancel={actions.cancel}
          onBegin={actions.begin}
        />
      </div>
      <details className="card right" open={wide ? true : undefined}>
        <summary className="card-head">
          <h2>
            <Icon name="sliders" />
            Controls
          </h2>
          <span className="hint">read from the catalogue</span>
          <Icon name="chevron" />
        </summary>
        <ControlPanel schema={schema} request={session.request} onEdit={actions.edit} />
      </details>
      <ListPanel session={session} actions={actions} schema={schema} who={person.who} />
    </main>
  );
}
