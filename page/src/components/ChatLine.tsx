import { differences } from "../request/difference";
import type { Line } from "../state/session";
import { useTitles } from "../state/titles";

/** One turn, what it changed in the standing request, and words that found no place in it. */
export function ChatLine({ line, noun, waiting }: { line: Line; noun: string; waiting: boolean }) {
  const titles = useTitles();
  const changes = line.after === null ? [] : differences(line.before, line.after, noun, titles);
  if (line.kind === "edited" && changes.length === 0) return null;
  return (
    <div className="line">
      {line.kind === "said" && <p className="line-said">{line.text}</p>}
      <div className="line-did">
        {line.kind === "edited" && <span className="line-who">By hand</span>}
        {line.reply !== null && <p className="line-reply">{line.reply}</p>}
        {changes.length > 0 && (
          <ul className="changes">
            {changes.map((change) => (
              <li key={change.sign + change.text} className={change.sign === "−" ? "change gone" : "change"}>
                <span className="change-sign">{change.sign}</span> <span className="change-text">{change.text}</span>
              </li>
            ))}
          </ul>
        )}
        {line.kind === "said" && line.after !== null && changes.length === 0 && line.error === null && (
          <p className="muted">
            {line.did === "went on" ? "Others under the same request." : "The request stays as it was."}
          </p>
        )}
        {line.unplaced.length > 0 && (
          <p className="unplaced">
            Not understood:{" "}
            {line.unplaced.map((words) => (
              <q key={words}>{words}</q>
            ))}
          </p>
        )}
        {line.error !== null && <p className="line-error">{line.error}</p>}
        {waiting && (
          <p className="waiting">
            <span className="dots" aria-hidden="true" />
            Making the list
          </p>
        )}
      </div>
    </div>
  );
}
