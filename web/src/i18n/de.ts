// What the first page needs; the rest is in `de-more.ts`.
import { gatherFirst } from "./gather";

export default gatherFirst(
  import.meta.glob("./de/{farm,not-found,set-up,shell,sign-in,state,ui}.json", {
    eager: true,
    import: "default",
  }),
  import.meta.glob("./de/*.json", { eager: true, import: "default", query: "?title" }),
);
