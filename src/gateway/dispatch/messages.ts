/** Texts for users who do not get the handler's response. */
export const MESSAGE = Object.freeze({
  failed: (reference: string) => `Something went wrong. Reference: ${reference}`,
  notSaved: (reference: string) => `This could not be saved. Please try again later. Reference: ${reference}`,
  uncertain: 'I could not find out whether this happened. Please check before you run it again.',
  unknownCommand: 'I do not know this command any more.',
  privately: '-# Answered privately.',
  tooLate: 'This took too long to open the form. Please run it again.',
  expired: 'This did not happen: the part of me that handles this server was away for too long. Please run it again.',
  expiredUncertain:
    'I could not find out whether this happened: the part of me that handles this server was away for too long. Please check before you run it again.',
});
