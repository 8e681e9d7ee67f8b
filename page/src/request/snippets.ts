import type { Who } from "../api/routes";
import type { Request } from "../api/types";
import { storedKey } from "../api/key";
import { compact } from "./request";

interface Asked {
  origin: string;
  request: Request;
  who: Who;
  model: string;
}

interface Syntax {
  word: (value: null | boolean) => string;
  tab: string;
  /** What stands behind the last part of a list that takes several lines. */
  last: string;
}

const JSON_SYNTAX: Syntax = { word: String, tab: "  ", last: "" };
const PYTHON: Syntax = {
  word: (value) => (value === null ? "None" : value ? "True" : "False"),
  tab: "    ",
  last: ",",
};

/** A value as JSON or Python writes it, short parts on one line. */
function written(value: unknown, syntax: Syntax, indent = ""): string {
  if (value === null || typeof value === "boolean") return syntax.word(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object") return String(value);
  const deeper = indent + syntax.tab;
  const parts = Array.isArray(value)
    ? value.map((one) => written(one, syntax, deeper))
    : Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${written(one, syntax, deeper)}`);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (JSON.stringify(value).length <= 70) return open + parts.join(", ") + close;
  return `${open}\n${deeper}${parts.join(`,\n${deeper}`)}${syntax.last}\n${indent}${close}`;
}

function curl({ origin, request, who }: Asked): string {
  const body = written({ ...who, request: compact(request) }, JSON_SYNTAX).replaceAll("'", "'\\''");
  const key = storedKey() === null ? "" : ` \\\n  -H "Authorization: Bearer $STEEREC_KEY"`;
  return `curl -s ${origin}/v1/recommend \\\n  -H 'Content-Type: application/json'${key} \\\n  -d '${body}'`;
}

function client({ origin, request, who }: Asked): string {
  const key = storedKey() === null ? "" : `, headers={"Authorization": "Bearer " + os.environ["STEEREC_KEY"]}`;
  return [
    key === "" ? "import httpx" : "import os\n\nimport httpx",
    "",
    `asked = ${written({ ...who, request: compact(request) }, PYTHON)}`,
    `answer = httpx.post("${origin}/v1/recommend", json=asked${key}).raise_for_status().json()`,
    `for item in answer["items"]:`,
    `    print(item["title"])`,
    `print(answer["certificate"]["controls"])`,
  ].join("\n");
}

function openai({ origin, request, who, model }: Asked): string {
  const key = storedKey() === null ? `"none"` : `os.environ["STEEREC_KEY"]`;
  return [
    storedKey() === null ? "from openai import OpenAI" : "import os\n\nfrom openai import OpenAI",
    "",
    `client = OpenAI(base_url="${origin}/v1", api_key=${key})`,
    `wanted = ${written({ ...who, request: compact(request) }, PYTHON)}`,
    `answer = client.chat.completions.create(`,
    `    model=${JSON.stringify(model)},`,
    `    messages=[{"role": "user", "content": "Please."}],`,
    `    extra_body={"recommend": wanted},`,
    `)`,
    `print(answer.choices[0].message.content)`,
    `print(answer.recommend["certificate"]["controls"])`,
  ].join("\n");
}

export const SNIPPETS = { curl, Python: client, "OpenAI client": openai };
export type SnippetName = keyof typeof SNIPPETS;
