interface Props {
  title: string;
  attributes: Record<string, unknown>;
  /** Values that the request asks for; they stand out. */
  wanted: ReadonlySet<string>;
}

const MOST = 6;

function shownValues(attributes: Record<string, unknown>): string[] {
  return Object.values(attributes).flatMap((value) => {
    if (Array.isArray(value)) return value.map(String);
    return value === null || value === undefined ? [] : [String(value)];
  });
}

/** Attributes of an item, those that the request names marked. */
export function Badges({ title, attributes, wanted }: Props) {
  const isNews = (value: string) => value.length <= 40 && !title.includes(`(${value})`);
  const values = [...new Set(shownValues(attributes))].filter(isNews);
  return (
    <ul className="badges" aria-label="Attributes">
      {values.slice(0, MOST).map((value) => (
        <li key={value} className={wanted.has(value.toLowerCase()) ? "badge is-wanted" : "badge"}>
          {value}
        </li>
      ))}
    </ul>
  );
}
