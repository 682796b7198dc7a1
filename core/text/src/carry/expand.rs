//! Abbreviations in words, as the model sees them: it takes the stop of a short one for the end, and
//! loses what follows.

use std::borrow::Cow;

use crate::letters::base;

/// Abbreviations of a language without their blanks, and what they stand for.
fn table(language: &str) -> &'static [(&'static str, &'static str)] {
    match language {
        "en" => &[
            ("i.e.", "that is"),
            ("e.g.", "for example"),
            ("a.k.a.", "also known as"),
            ("approx.", "approximately"),
            ("a.s.a.p.", "as soon as possible"),
            ("Mon.", "Monday"),
            ("Tue.", "Tuesday"),
            ("Tues.", "Tuesday"),
            ("Wed.", "Wednesday"),
            ("Thu.", "Thursday"),
            ("Thurs.", "Thursday"),
            ("Fri.", "Friday"),
            ("Sat.,", "Saturday,"),
            ("Sun.,", "Sunday,"),
        ],
        "de" => &[
            ("z.B.", "zum Beispiel"),
            ("d.h.", "das heißt"),
            ("u.a.", "unter anderem"),
            ("v.a.", "vor allem"),
            ("z.T.", "zum Teil"),
            ("u.U.", "unter Umständen"),
            ("i.d.R.", "in der Regel"),
            ("s.o.", "siehe oben"),
            ("s.u.", "siehe unten"),
            ("v.Chr.", "vor Christus"),
            ("n.Chr.", "nach Christus"),
            ("bzw.", "beziehungsweise"),
            ("bspw.", "beispielsweise"),
            ("evtl.", "eventuell"),
            ("ggf.", "gegebenenfalls"),
            ("inkl.", "inklusive"),
            ("vgl.", "vergleiche"),
            ("usw.", "und so weiter"),
            ("ca.", "circa"),
            ("mind.", "mindestens"),
            ("Jh.", "Jahrhundert"),
            ("Jhs.", "Jahrhunderts"),
            ("Mio.", "Millionen"),
            ("Mrd.", "Milliarden"),
            ("Std.", "Stunden"),
        ],
        "fr" => &[
            ("p.ex.", "par exemple"),
            ("c.-à-d.", "c'est-à-dire"),
            ("s.v.p.", "s'il vous plaît"),
            ("env.", "environ"),
            ("av.J.-C.", "avant Jésus-Christ"),
            ("apr.J.-C.", "après Jésus-Christ"),
        ],
        "es" => &[
            ("EE.UU.", "Estados Unidos"),
            ("FF.AA.", "Fuerzas Armadas"),
            ("RR.HH.", "recursos humanos"),
            ("JJ.OO.", "Juegos Olímpicos"),
            ("p.ej.", "por ejemplo"),
            ("a.C.", "antes de Cristo"),
            ("d.C.", "después de Cristo"),
            ("a.m.", "de la mañana"),
            ("p.m.", "de la tarde"),
            ("aprox.", "aproximadamente"),
            ("Uds.", "ustedes"),
            ("Ud.", "usted"),
        ],
        "it" => &[
            ("p.es.", "per esempio"),
            ("ad es.", "ad esempio"),
            ("ecc.", "eccetera"),
            ("a.C.", "avanti Cristo"),
            ("d.C.", "dopo Cristo"),
            ("ca.", "circa"),
        ],
        "nl" => &[
            ("a.u.b.", "alstublieft"),
            ("bijv.", "bijvoorbeeld"),
            ("bv.", "bijvoorbeeld"),
            ("d.w.z.", "dat wil zeggen"),
            ("m.a.w.", "met andere woorden"),
            ("o.a.", "onder andere"),
            ("e.d.", "en dergelijke"),
            ("enz.", "enzovoort"),
            ("i.p.v.", "in plaats van"),
            ("i.v.m.", "in verband met"),
            ("m.b.t.", "met betrekking tot"),
            ("m.u.v.", "met uitzondering van"),
            ("t.o.v.", "ten opzichte van"),
            ("z.s.m.", "zo snel mogelijk"),
            ("n.v.t.", "niet van toepassing"),
            ("v.Chr.", "voor Christus"),
            ("n.Chr.", "na Christus"),
            ("incl.", "inclusief"),
            ("excl.", "exclusief"),
            ("evt.", "eventueel"),
            ("ca.", "circa"),
        ],
        "pt" => &[
            ("p.ex.", "por exemplo"),
            ("a.C.", "antes de Cristo"),
            ("d.C.", "depois de Cristo"),
            ("aprox.", "aproximadamente"),
        ],
        _ => &[],
    }
}

/// `text`, written in `language`, with its abbreviations in words.
pub(super) fn expanded<'a>(text: &'a str, language: &str) -> Cow<'a, str> {
    let language = base(language);
    let table = table(language);
    if table.is_empty() || !text.contains('.') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let (mut at, mut before) = (0, ' ');
    while let Some(c) = text[at..].chars().next() {
        let begins = c.is_alphabetic()
            && !before.is_alphanumeric()
            && !matches!(before, '.' | '-' | '@' | '/');
        let found = table
            .iter()
            .filter(|_| begins)
            .find_map(|(short, full)| length(&text[at..], short).map(|length| (length, *full)));
        match found {
            Some((length, full)) => {
                let is_capital = c.is_uppercase() && full.starts_with(char::is_lowercase);
                let mut letters = full.chars();
                if is_capital {
                    out.extend(letters.next().into_iter().flat_map(char::to_uppercase));
                }
                out.push_str(letters.as_str());
                at += length;
                // The stop is that of the sentence, too.
                if text[at..].trim().is_empty() && !full.ends_with('.') {
                    out.push('.');
                }
                before = '.';
            }
            None => {
                out.push(c);
                at += c.len_utf8();
                before = c;
            }
        }
    }
    Cow::Owned(out)
}

/// Bytes of the abbreviation `short` at the beginning of `text`, in which blanks may stand behind stops.
fn length(text: &str, short: &str) -> Option<usize> {
    let mut at = 0;
    for (i, wanted) in short.chars().enumerate() {
        if at > 0 && short.contains('.') && text[..at].ends_with('.') {
            at += usize::from(text[at..].starts_with([' ', '\u{a0}']))
                * text[at..].chars().next().map_or(0, char::len_utf8);
        }
        let c = text[at..].chars().next()?;
        let is_same = c == wanted || i == 0 && c.to_lowercase().eq([wanted]);
        if !is_same {
            return None;
        }
        at += c.len_utf8();
    }
    (!text[at..].starts_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '@')))
        .then_some(at)
}

#[cfg(test)]
mod tests {
    use super::expanded;

    #[test]
    fn abbreviations_become_words() {
        for (language, text, wanted) in [
            ("nl", "Bijv. appels.", "Bijvoorbeeld appels."),
            ("nl", "a.u.b.", "alstublieft."),
            ("en", "i.e. that one", "that is that one"),
            ("de", "Im 19. Jh. war das so.", "Im 19. Jahrhundert war das so."),
            ("de", "Obst, z. B. Äpfel usw.", "Obst, zum Beispiel Äpfel und so weiter."),
            ("es", "EE. UU. firmó el acuerdo.", "Estados Unidos firmó el acuerdo."),
            ("es", "Viaja a EE.UU.", "Viaja a Estados Unidos."),
            ("en", "by Fri., Nov. 28", "by Friday, Nov. 28"),
            ("en", "on Sat., at noon", "on Saturday, at noon"),
        ] {
            assert_eq!(expanded(text, language), wanted);
        }
    }

    #[test]
    fn other_words_stay() {
        for (language, text) in [
            ("en", "He is here. That is it."),
            ("en", "They sat. The sun. I read the Sun."),
            ("de", "Das ist ein Bad. Aber kalt."),
            ("de", "Die Jhb. und www.z.Bank"),
            ("nl", "Hij zei dat. Ook dit."),
            ("es", "Ella es médica. Ud"),
            ("en", "x.i.e.y and tie.g.s"),
        ] {
            assert_eq!(expanded(text, language), text);
        }
    }
}
