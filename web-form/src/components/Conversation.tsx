import type { SentReply } from "../conversation";
import type { Message } from "../schema";
import { authorWords, momentWords } from "../words";

interface ConversationProps {
  messages: readonly Message[];
  underWay: readonly SentReply[];
}

/** Everything said so far, oldest first. Text is shown as it was written, never as markup. */
export function Conversation({ messages, underWay }: ConversationProps) {
  return (
    <ol className="conversation" aria-label="Conversation">
      {messages.map((message, place) => (
        // Messages are only ever added at the end, so that the place names one for good.
        // biome-ignore lint/suspicious/noArrayIndexKey: the contract gives a message no id.
        <li key={place} className={message.author === "AUTHOR_CUSTOMER" ? "message message-own" : "message"}>
          <p className="message-head">
            <span className="message-author">{authorWords(message.author)}</span>
            <time dateTime={message.createTime}>{momentWords(message.createTime)}</time>
          </p>
          <p className="message-text" dir="auto">
            {message.text}
          </p>
        </li>
      ))}
      {underWay.map((reply) => (
        <li key={`sent-${reply.place}`} className="message message-own message-under-way">
          <p className="message-head">
            <span className="message-author">You</span>
            <span>on its way</span>
          </p>
          <p className="message-text" dir="auto">
            {reply.text}
          </p>
        </li>
      ))}
    </ol>
  );
}
