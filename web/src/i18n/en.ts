// What the first page needs; the rest is in `en-more.ts`.
import { gatherFirst } from "./gather";

export default gatherFirst(
  import.meta.glob("./en/{farm,not-found,set-up,shell,sign-in,state,ui}.json", {
    eager: true,
    import: "default",
  }),
  import.meta.glob("./en/*.json", { eager: true, import: "default", query: "?title" }),
);
