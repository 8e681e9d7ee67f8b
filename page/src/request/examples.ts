import type { Schema } from "../api/types";

/** Sentences to begin with, made of the catalogue's own values. */
export function examplesOf(schema: Schema): string[] {
  const { noun } = schema;
  const values = schema.columns.find((column) => column.type === "categories" || column.type === "category")?.values ?? [];
  const [first, second, third] = values;
  const years = schema.columns.find((column) => column.type === "number" && column.name === "year");
  const found: string[] = [];
  if (second !== undefined) found.push(`eight ${noun}, at least five ${second}`);
  if (first !== undefined && third !== undefined) found.push(`no ${first} ${noun}, and half of them ${third}`);
  if (years !== undefined) found.push(`only ${noun} from ${Math.round(Number(years.greatest)) - 8} or later`);
  return found.length > 0 ? found : [`ten ${noun}`];
}
