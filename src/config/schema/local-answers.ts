/** What is answered here and not asked for. */
import { localAnswer } from "../codec/local-answer.ts"
import { fromText, list, listOrNone, section, word } from "./setting.ts"
import { NO_SPECIAL_NAMES, specialNames } from "./special-names.ts"

export const localAnswers = section("Answers of the server's own", {
  localAnswers: {
    schema: listOrNone(
      fromText(localAnswer, { kind: "text", pattern: "\\S\\s+\\S", examples: ["nas.home A 192.168.1.7"] })
    ),
    default: "",
    touches: ["query"],
    isList: true,
    meaning:
      "answers of the server's own: name type data, country:DE, continent:EU, client:10.0.0.0/8 or client_name:laptop behind"
  },
  specialNames: {
    schema: list(word(...specialNames, NO_SPECIAL_NAMES)),
    default: undefined,
    otherwise: "all but test and local; without private and home.arpa where the system's resolvers are asked",
    touches: ["query"],
    isList: true,
    meaning: `special names that are answered here and not asked for, unless a rule or a local answer is for them: ${specialNames.join(", ")}, or none`
  }
})
