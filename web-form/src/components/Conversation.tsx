import { isOwn, type SentReply } from "../conversation";
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
        // biome-ignore lint/suspicious/noArrayIndexKey: customers see no message ids, and an item keeps no state of its own.
        <li key={place} className={isOwn(message) ? "message message-own" : "message"}>
          <p className="message-head">
            <span className="message-author">{authorWords(message.author)}</span>
            <time dateTime={message.createTime}>{momentWords(message.createTime)}</time>
          </p>
          <p className="message-text" dir="auto">
            {message.text}
          </p>
        </li>
      ))}
      {underWay.map((reply, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: as above.
        <li key={`sent-${place}`} className="message message-own message-under-way">
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
