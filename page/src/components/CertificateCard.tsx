import { isCap } from "../request/request";
import { saidControl } from "../request/wording";
import type { Shown } from "../state/session";
import { useTitles } from "../state/titles";
import { CopyButton } from "./CopyButton";
import { Icon } from "./Icon";
import { Seal } from "./Seal";

/** The proof that goes out with each list: what was asked, and the counts. */
export function CertificateCard({ shown }: { shown: Shown }) {
  const titles = useTitles();
  const { certificate } = shown;
  const { request } = certificate;
  return (
    <details className="certificate">
      <summary>
        <Seal certificate={certificate} />
        <span className="certificate-word">Certificate</span>
        <Icon name="chevron" />
      </summary>
      <div className="certificate-body">
        <table>
          <thead>
            <tr>
              <th scope="col">Asked</th>
              <th scope="col" className="number-cell">Bounds</th>
              <th scope="col" className="number-cell">Counted</th>
              <th scope="col">
                <span className="sr-only">Holds</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {certificate.controls.map((result) => {
              const control = request.controls[result.index];
              if (control === undefined) return null;
              const range = isCap(control) ? `≤ ${result.upper}` : `${result.lower}–${result.upper}`;
              return (
                <tr key={result.index}>
                  <td>
                    {saidControl(control, request.count, titles)}
                    {result.null_items.length > 0 && (
                      <span className="hint"> ({result.null_items.length} have no value)</span>
                    )}
                  </td>
                  <td className="number-cell">{range}</td>
                  <td className="number-cell">{result.matched}</td>
                  <td>
                    <Holds holds={result.satisfied} />
                  </td>
                </tr>
              );
            })}
            <Rule text={`${request.count} different items`} counted={String(certificate.items.length)} />
            {!request.allow_seen && <Rule text="nothing seen before" counted={String(certificate.seen_items.length)} bounds="0–0" />}
            {request.exclude.length > 0 && <Rule text={`none of ${request.exclude.length} left out`} counted="0" bounds="0–0" />}
          </tbody>
        </table>
        {certificate.fallback_from !== null && <p className="note">Finished by the teacher: {certificate.fallback_from}.</p>}
        {shown.historyLeftOut > 0 && <p className="note">{shown.historyLeftOut} items of the history are not in the catalogue.</p>}
        {shown.unavailableExcluded > 0 && <p className="note">{shown.unavailableExcluded} items are not available and were left out.</p>}
        <dl className="facts">
          <dt>Catalogue</dt>
          <dd><code>{certificate.catalogue_sha256.slice(0, 16)}</code></dd>
          <dt>Request id</dt>
          <dd><code>{shown.requestId.slice(0, 16)}</code></dd>
        </dl>
        <CopyButton text={JSON.stringify(certificate, null, 2)} label="Copy certificate" />
      </div>
    </details>
  );
}

function Rule({ text, counted, bounds = "" }: { text: string; counted: string; bounds?: string }) {
  return (
    <tr>
      <td>{text}</td>
      <td className="number-cell">{bounds}</td>
      <td className="number-cell">{counted}</td>
      <td>
        <Holds holds />
      </td>
    </tr>
  );
}

function Holds({ holds }: { holds: boolean }) {
  return (
    <span className={holds ? "holds" : "broken"}>
      <Icon name={holds ? "check" : "close"} />
      <span className="sr-only">{holds ? "holds" : "broken"}</span>
    </span>
  );
}
