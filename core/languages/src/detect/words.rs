//! Words that tell a language: its most frequent ones, and what people say first.

use std::{collections::HashMap, sync::LazyLock};

/// What a frequent word counts, in units of log-probability.
const FREQUENT: f64 = 1.0;

/// What a word of greeting, thanks or assent counts: it often stands alone.
const EVERYDAY: f64 = 3.0;

/// For each word the languages it is frequent in, and what it counts for each of them.
static WORDS: LazyLock<HashMap<&'static str, Vec<(&'static str, f64)>>> = LazyLock::new(|| {
    let mut words: HashMap<&str, Vec<(&str, f64)>> = HashMap::new();
    for &(language, frequent, everyday) in LANGUAGES {
        for (list, weight) in [(everyday, EVERYDAY), (frequent, FREQUENT)] {
            for word in list.split_whitespace() {
                let languages = words.entry(word).or_default();
                if !languages.iter().any(|(known, _)| *known == language) {
                    languages.push((language, weight));
                }
            }
        }
    }
    // A word of several languages says less of each.
    for languages in words.values_mut() {
        let count = languages.len() as f64;
        languages.iter_mut().for_each(|(_, weight)| *weight /= count.sqrt());
    }
    words
});

/// Adds to `scores` what each of `words`, in lower case, counts for its languages.
pub(super) fn count<'a>(
    words: impl Iterator<Item = &'a str>,
    scores: &mut HashMap<&'static str, f64>,
) {
    for word in words {
        for (language, weight) in WORDS.get(word).into_iter().flatten() {
            *scores.entry(language).or_default() += weight;
        }
    }
}

/// Codes of the languages whose words are known.
pub(super) fn languages() -> impl Iterator<Item = &'static str> {
    LANGUAGES.iter().map(|(language, _, _)| *language)
}

/// A language, its most frequent words, and words of greeting, thanks and assent.
const LANGUAGES: &[(&str, &str, &str)] = &[
    (
        "en",
        "the of and to in is you that it he was for on are as with his they at be this have from \
         or had by not but what all were we when your can said there an each which she how their if \
         will up about out many then them these so some her would make like him into has more see \
         could my than been who now did come made may our us am do does i a where why please two \
         open file save as edit delete close search settings back next new cancel food i'm it's \
         don't i'll we'll you're that's can't",
        "hello hi hey thanks thank yes ok okay sorry welcome goodbye bye morning evening good \
         congratulations cheers",
    ),
    (
        "de",
        "der die das und ist nicht ein eine einen einem einer zu den dem mit sich auf für von im es \
         ich sie er wir ihr auch als an nach wie bei noch aus nur war haben hat wird sind kann aber \
         oder wenn so dass daß zum zur mir mich dir was wer wo warum weil schon sehr mehr um am vom \
         über kein keine mein meine dein sein bin bist jemand seit weiß geht nein ja",
        "danke bitte hallo guten tag abend tschüss entschuldigung willkommen nacht gute gut",
    ),
    (
        "fr",
        "le la les de des du un une et est en que qui dans pour pas sur ce cette il elle je nous \
         vous ils se ne au aux avec sont plus par mais ou où on son sa ses mon ma mes ont été être \
         fait comme tout y à c'est j'ai qu'il n'est d'un d'une l'on",
        "bonjour bonsoir merci salut oui non beaucoup pardon bienvenue revoir plaît s'il bonne \
         journée",
    ),
    (
        "es",
        "el la los las de del un una y es en que no por para con se su lo como más pero sus le ya o \
         este sí porque esta entre cuando muy sin sobre también me hasta hay donde quien desde todo \
         nos ni ese eso mi tu está son fue ser qué cómo dónde",
        "hola gracias adiós buenos buenas días noches tardes perdón bienvenido muchas favor señor \
         amigo",
    ),
    (
        "nl",
        "de het een en van is dat op te in niet zijn met voor er aan ook als maar om bij nog uit \
         naar dan dit geen ik je jij hij zij wij ze we was heb heeft hebben wordt worden kan kunnen \
         mijn jouw deze die door over wat waar hoe moet nu al weet wel ja nee",
        "dank bedankt goedemorgen goedemiddag goedenavond goedendag goedendag hallo hoi \
         alsjeblieft alstublieft welkom doei ziens",
    ),
    (
        "it",
        "il lo la i gli le di a da in con su per tra un uno una e è che non si sono mi ti ci come \
         più ma anche del della dei delle nel nella al alla questo questa ho hai ha posso cosa chi \
         dove quando perché no sì",
        "ciao grazie buongiorno buonasera buonanotte prego arrivederci scusi salve",
    ),
    (
        "pt",
        "o a os as de do da dos das em no na um uma e é que não para com se por mais como mas ao à \
         seu sua ou quando muito nos já eu também só pelo pela até isso ela ele entre era depois sem \
         mesmo aos seus quem nas me esse eles você essa foi são está tem posso sim",
        "olá obrigado obrigada bom boa dia noite tarde tchau desculpe",
    ),
    (
        "ca",
        "el la els les de del dels i és en que no per amb es un una al als com però més aquest \
         aquesta ser són va ha jo ell puc on",
        "gràcies hola adéu bon dia moltes plau",
    ),
    (
        "sv",
        "och att det i en jag hon som han på den med var sig för så till är men ett om hade de av \
         mig du henne då sin nu har inte hans skulle där min man vid kunde något från ut när efter \
         upp vi dem vara vad över än dig kan hur ja nej",
        "hej tack morgon",
    ),
    (
        "da",
        "og i jeg det at en den til er som på de med han af for ikke der var mig sig men et har om \
         vi min havde ham hun nu over da fra du ud sin dem os op man hans hvor eller hvad skal her \
         hvordan kan ja nej",
        "hej tak godmorgen",
    ),
    (
        "nb",
        "og i jeg det at en et den til er som på de med han av ikke der så var meg seg men har om vi \
         min mitt hadde hun nå over da ved fra du ut sin dem oss opp man kan hans hvor eller hva \
         skal her hvordan ja nei",
        "hei takk",
    ),
    (
        "fi",
        "ja on ei se että hän oli ovat mutta kun niin myös tai jos kuin minä sinä me te he tämä joka \
         mitä miten olen olet voi ole vain",
        "hei moi kiitos huomenta kyllä hyvää",
    ),
    (
        "id",
        "dan yang di ini itu dengan untuk tidak dari dalam akan pada juga saya ke ada bisa adalah \
         anda kami mereka atau karena oleh sudah apa bagaimana",
        "halo terima kasih selamat pagi",
    ),
    (
        "ro",
        "și în de la a cu pe nu este un o să din care pentru mai ce că ca sunt am ai are lui prin \
         dar sau cum când unde eu el ea vă da",
        "bună mulțumesc rog",
    ),
    (
        "pl",
        "i w na nie z że się do to jest jak ale co po tak za od przez czy dla są ja ty on ona my jego \
         jej tylko już być może gdzie kiedy",
        "cześć dziękuję dzień dobry proszę",
    ),
    (
        "cs",
        "a se na je v že to s z do i o ve jak ale po za by jsem jsou jsi jste co tak od pro není když \
         kde byl",
        "ahoj děkuji dobrý prosím ano",
    ),
    (
        "sk",
        "a sa na je v že to s z do aj o vo ako ale po za by som sú si ste čo tak od pre nie keď kde \
         bol",
        "ahoj ďakujem dobrý prosím áno",
    ),
    (
        "hu",
        "a az és hogy nem is egy van ez meg de mint csak már még el ki be le volt vagy itt ott én te \
         ő mi ti ők hogyan",
        "szia köszönöm igen",
    ),
    (
        "tr",
        "ve bir bu da de için ile ne o çok var ama daha gibi mi ben sen biz siz onlar değil olarak \
         kadar nasıl nerede",
        "merhaba teşekkürler evet hayır günaydın lütfen",
    ),
    (
        "hr",
        "i u je na se da za su od s o kao ne što ali iz koji koja sam si smo ste bi ili kako gdje do",
        "bok hvala dobar molim",
    ),
    (
        "sl",
        "in je na se da za so od z kot ne kar ali iz ki sem si smo ste bi kako kje do",
        "hvala prosim",
    ),
    ("lt", "ir yra kad su ne tai bet iš į už ar kaip aš tu jis ji mes jie", "labas ačiū prašau"),
    (
        "lv",
        "un ir ka ar no uz par bet tas kā es tu viņš viņa mēs viņi vai nav",
        "sveiki paldies lūdzu",
    ),
    ("et", "ja on ei et see kui ka oma aga ta mis või ma sa me nad kuidas", "tere aitäh palun"),
    (
        "is",
        "og að er í á það sem við en ekki um til með fyrir ég þú hann hún af hvernig",
        "takk góðan",
    ),
    (
        "vi",
        "và là của có không một cho các với được này trong người để tôi đã bạn khi",
        "cảm xin chào",
    ),
];
