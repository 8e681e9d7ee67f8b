import { useState } from "react";
import type { Person } from "../state/person";
import { Icon } from "./Icon";
import { Popover } from "./Popover";
import { UserList } from "./UserList";

/** Who the list is for: a stored user, or nobody. */
export function PersonBar({ person, peopleHref }: { person: Person; peopleHref: string }) {
  const [open, setOpen] = useState(false);
  const name = person.userId === null ? "Nobody yet" : person.userId;
  const size = person.history.length;
  return (
    <div className="person-bar">
      <button type="button" className="person-button" aria-haspopup="dialog" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name="user" />
        <span className="person-name">
          <span className="sr-only">For: </span>
          {name}
        </span>
        <span className="hint">
          {size === 0 ? "no history" : `${size} seen`}
          {person.edited !== null && ", edited"}
        </span>
        <Icon name="chevron" />
      </button>
      <a className="button quiet small" href={peopleHref}>
        Edit history
      </a>
      {open && (
        <Popover label="Choose who the list is for" onClose={() => setOpen(false)}>
          <UserList
            chosen={person.userId}
            onChoose={(userId) => {
              person.choose(userId);
              setOpen(false);
            }}
          />
        </Popover>
      )}
    </div>
  );
}
