import type { ReactNode } from "react";

interface NoticeProps {
  tone: "problem" | "success" | "quiet";
  children: ReactNode;
}

/** A sentence about what just happened, read out as it appears: a problem at once, the rest when there is a pause. */
export function Notice({ tone, children }: NoticeProps) {
  return (
    <div className={`notice notice-${tone}`} role={tone === "problem" ? "alert" : "status"}>
      {children}
    </div>
  );
}
