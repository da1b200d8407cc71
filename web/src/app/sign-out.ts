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
      notices.failed(t("shell.sign_out_failed"), asProblem(thrown));
    }
  };
}
