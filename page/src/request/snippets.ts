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

function curl({ origin, request, who }: Asked): string {
  const body = JSON.stringify({ ...who, request: compact(request) }, null, 2).replaceAll("'", "'\\''");
  const key = storedKey() === null ? "" : ` \\\n  -H "Authorization: Bearer $STEEREC_KEY"`;
  return `curl -s ${origin}/v1/recommend \\\n  -H 'Content-Type: application/json'${key} \\\n  -d '${body}'`;
}

/** JSON as Python writes it. */
function python(value: unknown, indent = ""): string {
  const deeper = `${indent}    `;
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object") return String(value);
  const flat = JSON.stringify(value).length <= 70;
  const parts = Array.isArray(value)
    ? value.map((one) => python(one, deeper))
    : Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${python(one, deeper)}`);
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (flat || parts.length === 0) return open + parts.join(", ") + close;
  return `${open}\n${parts.map((part) => `${deeper}${part},`).join("\n")}\n${indent}${close}`;
}

function client({ origin, request, who }: Asked): string {
  const key = storedKey() === null ? "" : `, headers={"Authorization": "Bearer " + os.environ["STEEREC_KEY"]}`;
  return [
    key === "" ? "import httpx" : "import os\n\nimport httpx",
    "",
    `asked = ${python({ ...who, request: compact(request) })}`,
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
    `wanted = ${python({ ...who, request: compact(request) })}`,
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
