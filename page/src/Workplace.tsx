import { useEffect, useMemo, useState } from "react";
import type { Request, Schema } from "./api/types";
import { Header } from "./components/Header";
import { Shortcuts } from "./components/Shortcuts";
import { compact, EMPTY, same } from "./request/request";
import { readAddress, writeAddress, type Address, type View } from "./state/address";
import { useKeyboard } from "./state/keyboard";
import { usePerson } from "./state/person";
import { useSession } from "./state/session";
import { TitlesContext } from "./state/titles";
import { useKnownTitles } from "./state/known";
import { Compare } from "./views/Compare";
import { People } from "./views/People";
import { Dashboard } from "./views/Dashboard";
import { Recommend } from "./views/Recommend";

interface Props {
  schema: Schema;
  /** Called when a list came from another state of the catalogue than `schema` tells of. */
  onNewCatalogue: () => void;
}

/** Everything behind the door: one person, one standing request, and views of them. */
export function Workplace({ schema, onNewCatalogue }: Props) {
  const [start] = useState(() => readAddress(window.location.hash));
  const [view, setView] = useState<View>(start.view);
  const [helping, setHelping] = useState(false);
  const person = usePerson(start.userId, start.history);
  const [session, actions] = useSession(person.who, person.userId, !person.loading, start.request);
  const titles = useKnownTitles(session, person);

  const address = useMemo<Omit<Address, "view">>(
    () => ({
      userId: person.userId,
      history: person.edited?.map((item) => item.item_id) ?? null,
      request: same(session.request, EMPTY) ? null : session.request,
    }),
    [person.userId, person.edited, session.request],
  );
  const hrefOf = (one: View) => `#${writeAddress({ ...address, view: one })}`;
  const here = hrefOf(view);
  useEffect(() => {
    window.history.replaceState(null, "", here === "#" ? window.location.pathname : here);
  }, [here]);
  useEffect(() => {
    const onHash = () => {
      const next = readAddress(window.location.hash);
      setView(next.view);
      if (next.userId !== address.userId || !same(next.history, address.history)) person.choose(next.userId, next.history);
      const wanted = next.request ?? EMPTY;
      if (!same(compact(wanted), compact(session.request))) actions.edit(wanted);
    };
    window.addEventListener("hashchange", onHash);
    return () => window.removeEventListener("hashchange", onHash);
  });
  const model = session.shown?.model;
  useEffect(() => {
    document.title = model === undefined ? "steerec" : `${model} · steerec`;
  }, [model]);
  const version = session.shown?.catalogueVersion;
  useEffect(() => {
    if (version !== undefined && version !== schema.catalogue_version) onNewCatalogue();
    // once for each version that comes
  }, [version]);
  const tryOut = (userId: string, request: Request) => {
    person.choose(userId);
    actions.edit({ ...EMPTY, ...request });
    setView("recommend");
  };
  useKeyboard({ actions, session, goTo: setView, onHelp: () => setHelping(true) });

  return (
    <TitlesContext value={titles}>
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault(); // the address holds the request
          document.getElementById("main")?.focus();
        }}
      >
        Skip to the page
      </a>
      <Header view={view} model={session.shown?.model ?? null} hrefOf={hrefOf} onShortcuts={() => setHelping(true)} />
      {view === "recommend" && (
        <Recommend schema={schema} session={session} actions={actions} person={person} peopleHref={hrefOf("people")} />
      )}
      {view === "compare" && (
        <Compare schema={schema} session={session} actions={actions} person={person} peopleHref={hrefOf("people")} />
      )}
      {view === "people" && <People schema={schema} session={session} actions={actions} person={person} />}
      {view === "run" && <Dashboard onTry={tryOut} />}
      {helping && <Shortcuts onClose={() => setHelping(false)} />}
    </TitlesContext>
  );
}
