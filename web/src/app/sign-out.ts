// Leaving: the server ends the session first; where it does not, one is told so.
import { useI18n } from "vue-i18n";
import { useRouter } from "vue-router";

import { asProblem } from "@/api/problem";
import { useNotices } from "@/ui/notices";

import { useSession } from "./session";

/** Sign out and go to the sign-in. */
export function useSignOut(): () => Promise<void> {
  const { t } = useI18n();
  const session = useSession();
  const router = useRouter();
  const notices = useNotices();
  return async () => {
    try {
      await session.signOut();
      await router.push({ name: "sign-in" });
    } catch (thrown) {
      const problem = asProblem(thrown);
      // Without an answer nobody here knows whether the session has ended.
      const text = problem.refused ? t("shell.sign_out_failed") : t("shell.sign_out_unknown");
      notices.failed(text, problem);
    }
  };
}
