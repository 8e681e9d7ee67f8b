import type { Certificate } from "../api/types";
import { Icon } from "./Icon";

/** Whether every count of a certificate is within its bounds. */
export function isObeyed(certificate: Certificate): boolean {
  return certificate.controls.every((one) => one.satisfied) && (certificate.broken_rules ?? []).length === 0;
}

/** Says at a glance whether a list obeys its request. */
export function Seal({ certificate }: { certificate: Certificate }) {
  const obeys = isObeyed(certificate);
  const broken = certificate.controls.filter((one) => !one.satisfied).length;
  return (
    <span className={obeys ? "seal" : "seal is-broken"}>
      <Icon name={obeys ? "shield" : "alert"} />
      {obeys && `${certificate.items.length} of ${certificate.request.count} obey`}
      {!obeys && (broken > 0 ? `breaks ${broken} of ${certificate.controls.length}` : "breaks a rule")}
    </span>
  );
}
