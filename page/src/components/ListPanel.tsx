import { useState } from "react";
import type { Schema } from "../api/types";
import type { Who } from "../api/routes";
import { same } from "../request/request";
import type { Actions, Session } from "../state/session";
import { CertificateCard } from "./CertificateCard";
import { CopyDialog } from "./CopyDialog";
import { Icon } from "./Icon";
import { ProblemCard } from "./ProblemCard";
import { RankedList } from "./RankedList";
import { Seal } from "./Seal";
import { Understood } from "./Understood";

interface Props {
  session: Session;
  actions: Actions;
  schema: Schema;
  who: Who;
}

/** What was understood, the list, and its certificate. */
export function ListPanel({ session, actions, schema, who }: Props) {
  const [copying, setCopying] = useState(false);
  const { request, shown, problem, busy } = session;
  const lastSaid = session.lines[session.lines.length - 1];
  const unplaced = lastSaid?.kind === "said" ? lastSaid.unplaced : [];
  const status = busy ? "Making the list" : problem !== null ? problem.message : shown !== null ? `${shown.items.length} ${schema.noun}` : "";
  return (
    <section className="card list-panel" aria-label="List">
      <div className="card-head">
        <h2>
          {shown === null ? "List" : `${shown.items.length} ${schema.noun}`}
          {shown !== null && problem === null && !session.stale && <Seal certificate={shown.certificate} />}
          {busy && <span className="spinner" aria-hidden="true" />}
        </h2>
        <div className="card-tools">
          {busy && (
            <button type="button" className="button small" onClick={actions.cancel}>
              <Icon name="stop" />
              Cancel
            </button>
          )}
          <button type="button" className="button quiet small" onClick={() => setCopying(true)}>
            <Icon name="code" />
            Copy as
          </button>
        </div>
      </div>
      <p className="sr-only" role="status">
        {status}
      </p>
      <Understood
        request={request}
        noun={schema.noun}
        unplaced={unplaced}
        conflict={problem?.failure.conflict?.controls ?? []}
        turns={session.turns}
        onEdit={actions.edit}
      />
      {problem !== null && (
        <ProblemCard
          error={problem}
          request={request}
          noun={schema.noun}
          hasList={shown !== null}
          canUndo={shown !== null && !same(request, session.good)}
          onEdit={actions.edit}
          onUndo={actions.undo}
          onAgain={actions.again}
        />
      )}
      {session.stale && (
        <div className="problem is-quiet" role="alert">
          <Icon name="alert" />
          <div className="problem-main">
            <p>Cancelled: the list below is still that of the request before.</p>
            <div className="problem-tools">
              <button type="button" className="button small" onClick={actions.again}>
                Ask again
              </button>
              <button type="button" className="button small" onClick={actions.undo}>
                <Icon name="undo" />
                Take the change back
              </button>
            </div>
          </div>
        </div>
      )}
      <RankedList session={session} actions={actions} />
      {shown !== null && <CertificateCard shown={shown} />}
      {copying && <CopyDialog request={request} who={who} model={shown?.model ?? "model"} onClose={() => setCopying(false)} />}
    </section>
  );
}
