"""Errors as RFC 9457 problems: one exception class per problem type, rendered in one place.

Problem
├── requests.py                   the request itself
│   ├── InvalidRequest       422  a parameter that is not what the documentation says
│   ├── NotAuthenticated     401  no valid API key
│   ├── NotPermitted         403  a key whose role is too small
│   ├── NotFound             404  no such route
│   ├── MethodNotAllowed     405
│   ├── NotAcceptable        406  the client does not take what this sends
│   ├── UnsupportedMediaType 415  a body that is not JSON
│   ├── NoSession            404  nothing to end
│   ├── CursorUnknown        404  not a cursor for these filters
│   └── ClientDisconnected           499  no client reads this one
├── rejections.py                 refused before anybody looks at what is asked for
│   ├── MalformedRequest     400  no HTTP
│   ├── PreflightRefused     400  a page would send what is not taken from other origins
│   ├── CrossOrigin          403  a page from elsewhere would change something
│   ├── RequestTimeout       408  the request did not arrive in time
│   ├── BodyTooLarge         413
│   ├── ExpectationFailed    417  header Expect
│   ├── HeadTooLarge         431  address and headers
│   ├── TooManyRequests      429  of one key
│   ├── TooManyAtOnce        429  costly requests of one key
│   ├── TooManyGuesses       429  wrong keys of one address
│   ├── TooManyWithoutKey    429  of one address
│   ├── TooManyConnections   503
│   └── TooMuchHeld          503
├── orders.py                     orders, and what they share
│   ├── OrderUnknown         404  not stored: never published, or not decided yet
│   ├── OrderDeadLettered    404  published, but bad data
│   ├── OrderUnexplained     409  nothing to decide it again with
│   ├── OrderRefused         409  what-if: no order event
│   ├── EntityUnknown        404  no order of this device, address, voucher or product is stored
│   └── UserUnknown          404  no order of theirs is stored
├── dead_letters.py               dead letters
│   ├── DeadLetterUnknown    404  nothing of this origin was refused
│   ├── DeadLetterGone       410  its bytes are on no topic any more
│   ├── AlreadyRedriven      409  its redrive is under way, or went well
│   ├── ConflictUnresolved   409  another order has this id
│   ├── RetiredDate          409  the order is of a retired date
│   └── CorrectionRefused    409  no order event either
├── rulesets.py                   rulesets, drafts and backtests
│   ├── RulesetRefused       409  what-if: no ruleset
│   ├── RulesetUnknown       404  what-if: no such version
│   ├── NoActiveRuleset      404  before the first detector
│   ├── DraftUnknown         404
│   ├── DraftRefused         409  it has changed, or its author approves it
│   ├── PublicationRefused   409  a ruleset that cannot become active
│   ├── ConfirmationNeeded   409  it changes many outcomes
│   ├── BacktestUnknown      404
│   ├── BacktestRefused      409  its range cannot be
│   ├── BacktestUnfinished   409  it has no report
│   └── BacktestEnded        409  nothing to cancel
├── reviews.py                    reviews
│   ├── ReviewUnknown        404
│   ├── ReviewClosed         409  by a label
│   ├── ReviewClaimed        409  by another person
│   ├── ReviewDecided        409  its label is being stored
│   ├── SecondReviewRefused  409  it is another person's
│   ├── ReviewRouteUnknown   404
│   ├── ReviewRouteExists    409
│   ├── TooManyReviewRoutes  409
│   └── NoReviewWaiting      404
├── resources.py                  what else is requested
│   ├── SavedSearchUnknown   404
│   ├── TooManySavedSearches 409  of one key
│   ├── KeyUnknown           404  never made, or revoked already
│   ├── ListUnknown          404
│   ├── ListExists           409  one of another kind or field
│   └── MartUnknown          404  not published
└── availability.py               our side: report it (500), or try again (503)
    ├── InternalError        500  a bug
    ├── DatabaseUnavailable  503
    ├── QueryTooSlow         503
    ├── TooBusy              503  costly requests of other keys
    ├── MartBeingPublished   503
    ├── BrokerUnavailable    503
    ├── TooManyWaiting       503
    ├── TooManyListening     503
    ├── TooManyBacktests     503
    ├── ShuttingDown         503
    └── NotReady             503
"""
