// All that the first page does not need.
import { gather } from "./gather";

export default gather(
  import.meta.glob(["./en/*.json", "!./en/{farm,not-found,set-up,shell,sign-in,state,ui}.json"], {
    eager: true,
    import: "default",
  }),
);
