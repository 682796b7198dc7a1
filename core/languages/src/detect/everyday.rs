//! What people type alone: greetings, answers, days, months, numbers, colours, people, food, and labels.

/// A language and such words of it, in lower case.
pub(super) const WORDS: &[(&str, &str)] = &[
    (
        "de",
        "hallo hi hey moin servus tschüss tschüs ciao guten morgen tag abend nacht gute willkommen danke \
         bitte gern gerne entschuldigung verzeihung sorry ja nein doch vielleicht klar genau okay stimmt \
         prost glückwunsch gesundheit hilfe achtung vorsicht ich du er sie es wir ihr mich dich mir dir uns \
         euch mein dein unser was wer wie wo wann warum wieso welche wieviel heute gestern jetzt später bald \
         immer nie niemals manchmal oft hier dort links rechts oben unten montag dienstag mittwoch \
         donnerstag freitag samstag sonntag januar februar märz april mai juni juli august september oktober \
         november dezember frühling sommer herbst winter jahr monat woche stunde minute null eins zwei drei \
         vier fünf sechs sieben acht neun zehn elf zwölf dreizehn zwanzig dreißig vierzig fünfzig hundert \
         tausend rot blau grün gelb schwarz weiß grau braun rosa lila orange mutter vater mama papa eltern \
         bruder schwester sohn tochter kind kinder oma opa frau mann freund freundin junge mädchen baby \
         mensch leute familie hund katze pferd kuh schwein vogel fisch maus haus wohnung zimmer küche bad \
         tür fenster tisch stuhl bett schrank schlüssel straße stadt dorf land welt auto zug bus fahrrad \
         flugzeug bahnhof flughafen schule arbeit büro geld preis laden markt krankenhaus arzt apotheke \
         kirche brot käse milch wasser kaffee tee bier wein saft fleisch wurst ei eier apfel banane \
         kartoffel gemüse obst salz zucker kuchen suppe essen trinken frühstück mittagessen abendessen \
         rechnung trinkgeld kopf hand fuß auge ohr nase mund herz bauch arm bein rücken zahn gut schlecht \
         groß klein neu alt schön hässlich heiß kalt warm schnell langsam teuer billig müde krank gesund \
         glücklich traurig hungrig durstig richtig falsch offen geschlossen voll leer liebe glück regen \
         sonne schnee wind wetter himmel baum blume buch brief zeitung musik film spiel frage antwort wort \
         sprache name adresse telefon handy rechner datei ordner speichern öffnen schließen löschen \
         abbrechen weiter zurück suchen einstellungen anmelden abmelden passwort benutzername hochladen \
         herunterladen drucken bearbeiten kopieren einfügen ausschneiden senden fertig fehler hinzufügen \
         entfernen ändern ansicht seite startseite eingang ausgang verboten lassen gehen kommen machen sehen \
         hören sprechen wissen kaufen schlafen lesen schreiben lernen spielen helfen",
    ),
    (
        "en",
        "hello hi hey thanks thank you please welcome goodbye bye yes no maybe sure okay sorry excuse cheers \
         congratulations help good morning afternoon evening night day luck i me my your his her our their \
         what who how where when why which today yesterday tomorrow now later soon always never sometimes \
         often here there left right up down monday tuesday wednesday thursday friday saturday sunday \
         january february march april may june july august september october november december spring summer \
         autumn fall winter year month week hour minute zero one two three four five six seven eight nine \
         ten eleven twelve thirteen twenty thirty forty fifty hundred thousand red blue green yellow black \
         white grey gray brown pink purple orange mother father mum mom dad parents brother sister son \
         daughter child children grandma grandpa wife husband woman man friend boy girl baby people family \
         dog cat horse cow pig bird fish mouse house flat apartment room kitchen bathroom door window table \
         chair bed cupboard key street road city town village country world car train bus bicycle bike plane \
         station airport school work job office money price shop store market hospital doctor pharmacy \
         church bread cheese milk water coffee tea beer wine juice meat sausage egg eggs apple banana potato \
         vegetables fruit salt sugar cake soup food eat drink breakfast lunch dinner bill check tip head \
         hand foot eye ear nose mouth heart stomach arm leg back tooth bad big small new old beautiful ugly \
         hot cold warm fast slow expensive cheap tired sick ill healthy happy sad hungry thirsty wrong open \
         closed full empty love rain sun snow wind weather sky tree flower book letter newspaper music movie \
         film game question answer word language name address phone mobile computer file folder save close \
         delete cancel next search settings login logout sign password username upload download print edit \
         copy paste cut send submit done error add remove change view page home entrance exit forbidden go \
         come make see hear speak know buy sleep read write learn play",
    ),
    (
        "es",
        "hola buenos buenas días tardes noches gracias muchas favor por sí no quizás quizá tal vez claro \
         vale perdón perdone disculpe disculpa lo siento bienvenido bienvenida bienvenidos salud felicidades \
         enhorabuena suerte adiós hasta luego pronto mañana chao ayuda cuidado yo tú usted él ella nosotros \
         ustedes ellos mi tu su nuestro qué quién cómo dónde cuándo cuánto cuál hoy ayer ahora después \
         siempre nunca jamás veces aquí allí izquierda derecha arriba abajo lunes martes miércoles jueves \
         viernes sábado domingo enero febrero marzo abril mayo junio julio agosto septiembre octubre \
         noviembre diciembre primavera verano otoño invierno año mes semana día hora minuto cero uno dos \
         tres cuatro cinco seis siete ocho nueve diez once doce trece veinte treinta cuarenta cincuenta cien \
         mil rojo roja azul verde amarillo negro negra blanco blanca gris marrón rosa morado naranja madre \
         padre mamá papá padres hermano hermana hijo hija niño niña niños abuela abuelo mujer hombre esposa \
         esposo marido amigo amiga chico chica bebé gente familia perro gato caballo vaca cerdo pájaro pez \
         ratón casa piso apartamento habitación cocina baño puerta ventana mesa silla cama armario llave \
         calle carretera ciudad pueblo país mundo coche carro tren autobús bicicleta avión estación \
         aeropuerto escuela colegio trabajo oficina dinero precio tienda mercado hospital médico farmacia \
         iglesia pan queso leche agua café té cerveza vino zumo jugo carne salchicha huevo huevos manzana \
         plátano patata papa verduras fruta sal azúcar pastel sopa comida comer beber desayuno almuerzo cena \
         cuenta factura propina cabeza mano pie ojo oreja nariz boca corazón estómago brazo pierna espalda \
         diente bien bueno buena malo mala grande pequeño pequeña nuevo nueva viejo vieja hermoso bonito \
         bonita feo caliente frío rápido lento caro barato cansado cansada enfermo feliz triste hambre sed \
         correcto abierto cerrado lleno vacío amor quiero lluvia sol nieve viento tiempo cielo árbol flor \
         libro carta periódico música película juego pregunta respuesta palabra idioma nombre dirección \
         teléfono móvil ordenador computadora archivo carpeta guardar abrir cerrar eliminar borrar cancelar \
         aceptar siguiente anterior volver buscar ajustes configuración iniciar sesión contraseña usuario \
         subir descargar imprimir editar copiar pegar cortar enviar hecho listo error añadir agregar quitar \
         cambiar ver página inicio entrada salida prohibido ir venir hacer oír hablar saber comprar dormir \
         leer escribir aprender jugar ayudar",
    ),
    (
        "fr",
        "bonjour bonsoir salut coucou allô merci beaucoup plaît s'il vous te oui non si peut être d'accord \
         ok pardon désolé désolée excusez moi bienvenue santé félicitations bravo bon bonne bons bonnes \
         chance journée soirée nuit appétit voyage au revoir à bientôt aide attention je tu il elle nous ils \
         elles toi lui mon ma mes ton ta tes notre votre c'est j'ai suis quoi qui comment où quand pourquoi \
         combien quel quelle aujourd'hui hier demain maintenant plus tard toujours jamais parfois souvent \
         ici là gauche droite haut bas lundi mardi mercredi jeudi vendredi samedi dimanche janvier février \
         mars avril mai juin juillet août septembre octobre novembre décembre printemps été automne hiver \
         année an mois semaine jour heure minute zéro un deux trois quatre cinq six sept huit neuf dix onze \
         douze treize vingt trente quarante cinquante cent mille rouge bleu bleue vert verte jaune noir \
         noire blanc blanche gris brun marron rose violet mère père maman papa parents frère sœur fils fille \
         enfant enfants grand mamie papi femme homme mari ami amie copain copine garçon bébé gens famille \
         chien chat cheval vache cochon oiseau poisson souris maison appartement chambre pièce cuisine salle \
         bain porte fenêtre table chaise lit armoire clé clef rue route ville village pays monde voiture \
         train bus vélo avion gare aéroport école travail bureau argent prix magasin marché hôpital médecin \
         pharmacie église pain fromage lait eau café thé bière vin jus viande saucisse œuf œufs pomme banane \
         légumes fruits sel sucre gâteau soupe manger boire petit déjeuner dîner addition facture pourboire \
         tête main pied œil yeux oreille nez bouche cœur ventre bras jambe dos dent mauvais petite nouveau \
         nouvelle vieux vieille beau belle laid chaud froid rapide lent cher fatigué fatiguée malade heureux \
         heureuse triste faim soif vrai faux ouvert fermé plein vide amour t'aime pluie soleil neige vent \
         temps ciel arbre fleur livre lettre journal musique film jeu question réponse mot langue nom prénom \
         adresse téléphone portable ordinateur fichier dossier enregistrer ouvrir fermer supprimer annuler \
         suivant précédent retour rechercher recherche paramètres connexion déconnexion passe utilisateur \
         envoyer télécharger imprimer modifier copier coller couper terminé erreur ajouter changer affichage \
         page accueil entrée sortie interdit aller venir faire voir entendre parler savoir acheter dormir \
         lire écrire apprendre jouer aider va ça bien",
    ),
    (
        "it",
        "ciao buongiorno buonasera buonanotte salve arrivederci grazie mille prego favore per piacere sì no \
         forse certo d'accordo va bene scusa scusi scusate mi dispiace permesso benvenuto benvenuta \
         benvenuti salute cin auguri complimenti congratulazioni buona fortuna buon appetito viaggio a \
         domani dopo presto aiuto attenzione io tu lui lei noi voi loro mio mia tuo tua suo nostro che cosa \
         chi come dove quando perché quanto quale oggi ieri adesso ora più tardi sempre mai qualche volta \
         spesso qui là sinistra destra su giù lunedì martedì mercoledì giovedì venerdì sabato domenica \
         gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre \
         primavera estate autunno inverno anno mese settimana giorno minuto zero uno due tre quattro cinque \
         sei sette otto nove dieci undici dodici tredici venti trenta quaranta cinquanta cento rosso rossa \
         blu azzurro verde giallo nero nera bianco bianca grigio marrone rosa viola arancione madre padre \
         mamma papà genitori fratello sorella figlio figlia bambino bambina bambini nonna nonno donna uomo \
         moglie marito amico amica ragazzo ragazza gente persone famiglia cane gatto cavallo mucca maiale \
         uccello pesce topo casa appartamento camera stanza cucina bagno porta finestra tavolo sedia letto \
         armadio chiave strada via città paese mondo macchina auto treno autobus bicicletta aereo stazione \
         aeroporto scuola lavoro ufficio soldi prezzo negozio mercato ospedale medico dottore farmacia \
         chiesa pane formaggio latte acqua caffè tè birra vino succo carne salsiccia uovo uova mela banana \
         patata verdura frutta sale zucchero torta dolce zuppa cibo mangiare bere colazione pranzo cena \
         conto mancia testa mano piede occhio orecchio naso bocca cuore pancia braccio gamba schiena dente \
         buono cattivo grande piccolo piccola nuovo nuova vecchio vecchia bello bella brutto caldo freddo \
         veloce lento caro economico stanco stanca malato felice triste fame sete giusto sbagliato aperto \
         chiuso pieno vuoto amore ti amo pioggia sole neve vento tempo cielo albero fiore libro lettera \
         giornale musica film gioco domanda risposta parola lingua nome cognome indirizzo telefono cellulare \
         computer file cartella salva salvare apri aprire chiudi chiudere elimina eliminare annulla \
         annullare avanti indietro cerca cercare impostazioni accedi esci password utente carica scarica \
         stampa modifica copia incolla taglia invia fatto errore aggiungi rimuovi cambia visualizza pagina \
         inizio entrata uscita vietato andare venire fare vedere sentire parlare sapere comprare dormire \
         leggere scrivere imparare giocare aiutare stai sto so non lo",
    ),
    (
        "nl",
        "hallo hoi hey dag doei goedemorgen goedemiddag goedenavond goedenacht welterusten goede morgen \
         bedankt dank dankjewel dankuwel alsjeblieft alstublieft graag ja nee misschien natuurlijk precies \
         oké sorry pardon welkom proost gefeliciteerd succes sterkte tot ziens straks later hulp help pas op \
         ik jij je u hij zij ze wij we jullie mij me hem haar ons mijn jouw uw zijn onze wat wie hoe waar \
         wanneer waarom welke hoeveel vandaag gisteren nu gauw altijd nooit soms vaak hier daar links rechts \
         boven beneden maandag dinsdag woensdag donderdag vrijdag zaterdag zondag januari februari maart \
         april mei juni juli augustus september oktober november december lente voorjaar zomer herfst winter \
         jaar maand week uur minuut nul een één twee drie vier vijf zes zeven acht negen tien elf twaalf \
         dertien twintig dertig veertig vijftig honderd duizend rood blauw groen geel zwart wit grijs bruin \
         roze paars oranje moeder vader mama papa ouders broer zus zoon dochter kind kinderen oma opa vrouw \
         man vriend vriendin jongen meisje baby mensen familie gezin hond kat poes paard koe varken vogel \
         vis muis huis woning appartement kamer keuken badkamer deur raam tafel stoel bed kast sleutel \
         straat weg stad dorp land wereld auto trein bus fiets vliegtuig station vliegveld luchthaven school \
         werk kantoor geld prijs winkel markt ziekenhuis dokter arts apotheek kerk brood kaas melk water \
         koffie thee bier wijn sap vlees worst ei eieren appel banaan aardappel groente fruit zout suiker \
         taart koek soep eten drinken ontbijt lunch middageten avondeten rekening fooi hoofd hand voet oog \
         oor neus mond hart buik arm been rug tand goed slecht groot klein nieuw oud mooi lelijk heet koud \
         warm snel langzaam duur goedkoop moe ziek gezond blij gelukkig verdrietig honger dorst juist fout \
         open gesloten dicht vol leeg liefde regen zon sneeuw wind weer lucht boom bloem boek brief krant \
         muziek film spel vraag antwoord woord taal naam adres telefoon mobiel computer bestand map opslaan \
         openen sluiten verwijderen annuleren volgende vorige terug zoeken instellingen inloggen aanmelden \
         uitloggen afmelden wachtwoord gebruikersnaam uploaden downloaden afdrukken bewerken kopiëren \
         plakken knippen verzenden versturen klaar toevoegen wijzigen weergave pagina startpagina ingang \
         uitgang verboden gaan komen maken doen zien horen spreken praten weten kopen slapen lezen schrijven \
         leren spelen helpen gaat hou van het niet",
    ),
    (
        "pt",
        "olá oi bom boa dia tarde noite obrigado obrigada muito por favor sim não talvez claro certo \
         desculpe desculpa licença com perdão bem vindo vinda saúde parabéns sorte tchau adeus até logo \
         amanhã breve ajuda cuidado eu tu você vocês ele ela nós eles elas me meu minha teu seu sua nosso \
         que quem como onde quando porquê quanto qual hoje ontem agora depois sempre nunca vezes aqui ali lá \
         esquerda direita cima baixo segunda feira terça quarta quinta sexta sábado domingo janeiro \
         fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro primavera verão \
         outono inverno ano mês semana hora minuto zero um uma dois duas três quatro cinco seis sete oito \
         nove dez onze doze treze vinte trinta quarenta cinquenta cem mil vermelho vermelha azul verde \
         amarelo preto preta branco branca cinza cinzento castanho marrom rosa roxo laranja mãe pai mamãe \
         papai pais irmão irmã filho filha criança crianças avó avô mulher homem esposa marido amigo amiga \
         rapaz menino menina bebê bebé gente pessoas família cachorro cão gato cavalo vaca porco pássaro \
         peixe rato casa apartamento quarto cozinha banheiro porta janela mesa cadeira cama armário chave \
         rua estrada cidade aldeia país mundo carro trem comboio ônibus autocarro bicicleta avião estação \
         aeroporto escola trabalho escritório dinheiro preço loja mercado hospital médico farmácia igreja \
         pão queijo leite água café chá cerveja vinho suco sumo carne linguiça ovo ovos maçã banana batata \
         legumes fruta sal açúcar bolo sopa comida comer beber da manhã almoço jantar conta gorjeta cabeça \
         mão pé olho orelha nariz boca coração barriga braço perna costas dente mau ruim grande pequeno \
         pequena novo nova velho velha bonito bonita feio quente frio rápido devagar caro barato cansado \
         cansada doente feliz triste fome sede errado aberto fechado cheio vazio amor te amo chuva sol neve \
         vento tempo céu árvore flor livro carta jornal música filme jogo pergunta resposta palavra língua \
         nome endereço morada telefone celular telemóvel computador arquivo ficheiro pasta salvar guardar \
         abrir fechar excluir eliminar apagar cancelar próximo anterior voltar pesquisar buscar \
         configurações definições entrar sair senha usuário utilizador enviar carregar baixar transferir \
         imprimir editar copiar colar cortar concluído pronto erro adicionar remover alterar ver página \
         início entrada saída proibido ir vir fazer ouvir falar saber comprar dormir ler escrever aprender \
         jogar ajudar tudo sei está",
    ),
];
