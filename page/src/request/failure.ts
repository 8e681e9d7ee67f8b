import type { Failure } from "../api/types";

interface Said {
  title: string;
  message: string;
  advice: string;
}

/** What went wrong, for people who never saw the interface; what the service says is kept where it is about the request. */
export function saidFailure(failure: Failure): Said {
  const { message, advice } = failure;
  switch (failure.type) {
    case "infeasible_request":
      return { title: "No list can do all of that", message, advice: "" };
    case "unknown_user":
      return {
        title: "Nobody is known by that name",
        message: "No history is stored for this user.",
        advice: "Choose another user, or give this one a history under People.",
      };
    case "unknown_answer":
      return { title: "This list is no longer remembered", message: "The service may have been restarted.", advice: "Ask for it again." };
    case "busy":
      return { title: "Many are asking right now", message: "The service has as much to do as it can.", advice: "Try again in a moment." };
    case "timeout":
      return { title: "That took too long", message: "The list was not finished in time.", advice: "Ask for fewer items, or try again." };
    default:
      return { title: "That did not work", message, advice };
  }
}
