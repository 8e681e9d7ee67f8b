import type { ServiceError } from "../api/client";
import type { Request } from "../api/types";
import { saidFailure } from "../request/failure";
import { relaxed, saidRelaxation } from "../request/relax";
import { useTitles } from "../state/titles";
import { Icon } from "./Icon";

interface Props {
  error: ServiceError;
  request: Request;
  noun: string;
  /** Whether a list of an earlier request is still shown below. */
  hasList: boolean;
  canUndo: boolean;
  onEdit: (request: Request) => void;
  onUndo: () => void;
  onAgain: () => void;
}

/** What went wrong, in plain words, with the change that would work. */
export function ProblemCard({ error, request, noun, hasList, canUndo, onEdit, onUndo, onAgain }: Props) {
  const titles = useTitles();
  const { failure } = error;
  const offer = failure.relaxation ? relaxed(request, failure.relaxation) : null;
  const said = saidFailure(failure);
  const isRefusal = failure.type === "infeasible_request";
  return (
    <div className="problem" role="alert">
      <Icon name="alert" />
      <div className="problem-main">
        <h3>{said.title}</h3>
        <p>{said.message}</p>
        {said.advice !== "" && <p className="muted">{said.advice}</p>}
        {hasList && <p className="muted">The list below is that of the request before.</p>}
        <div className="problem-tools">
          {offer !== null && failure.relaxation && (
            <button type="button" className="button primary small" onClick={() => onEdit(offer)}>
              Take: {saidRelaxation(failure.relaxation, request, noun, titles)}
            </button>
          )}
          {canUndo && (
            <button type="button" className="button small" onClick={onUndo}>
              <Icon name="undo" />
              Back to the last list
            </button>
          )}
          {!isRefusal && (
            <button type="button" className="button small" onClick={onAgain}>
              Try again
            </button>
          )}
        </div>
      </div>
    </div>
  );
}
